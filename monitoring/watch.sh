#!/usr/bin/env bash
# Watches all runs of a folder with Debian's Prometheus and Alertmanager (apt-get install -y prometheus prometheus-alertmanager).
#
#   bash monitoring/watch.sh FOLDER          in the foreground, until Ctrl-C; FOLDER/*/metrics_targets.json are the runs
#
# PROMETHEUS_PORT (9490) and ALERTMANAGER_PORT (9493) choose other ports (9090 and 9093 belong to the services that the packages
# install), SCRAPE_INTERVAL (5s) how often Prometheus looks, ALERTMANAGER_CONFIG another configuration than
# monitoring/alerts/alertmanager.yml. Data is kept in FOLDER/.watch.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# == 1 && -d $1 ]] || { echo "usage: bash monitoring/watch.sh FOLDER   (an existing folder with runs)" >&2; exit 64; }
runs=$(cd "$1" && pwd)
prometheus=127.0.0.1:${PROMETHEUS_PORT:-9490}
alertmanager=127.0.0.1:${ALERTMANAGER_PORT:-9493}
for program in prometheus prometheus-alertmanager; do
  command -v "$program" >/dev/null || { echo "$program is missing: apt-get install -y prometheus prometheus-alertmanager" >&2; exit 69; }
done

# Links the runs that there are now to where Prometheus looks for them, and forgets those that are gone.
link_runs() {
  find "$runs/.watch/targets" -xtype l -delete
  for file in "$runs"/*/metrics_targets.json; do
    [[ ! -e $file ]] || ln -sfn "$file" "$runs/.watch/targets/$(basename "$(dirname "$file")").json"
  done
}

mkdir -p "$runs/.watch/targets"
link_runs
cp "$here"/alerts/{recording,training,cluster}.yml "$runs/.watch/"
sed -e "s|127.0.0.1:9093|$alertmanager|" -e "s|_interval: 5s|_interval: ${SCRAPE_INTERVAL:-5s}|" \
  "$here/alerts/prometheus.yml" >"$runs/.watch/prometheus.yml"

trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
trap 'exit 0' INT TERM
prometheus-alertmanager --config.file="${ALERTMANAGER_CONFIG:-$here/alerts/alertmanager.yml}" --web.listen-address="$alertmanager" \
  --storage.path="$runs/.watch/alertmanager" --cluster.listen-address= --log.level=warn &
prometheus --config.file="$runs/.watch/prometheus.yml" --web.listen-address="$prometheus" \
  --storage.tsdb.path="$runs/.watch/prometheus" --log.level=warn &
echo "Prometheus:   http://$prometheus"
echo "Alertmanager: http://$alertmanager"
while kill -0 $(jobs -p) 2>/dev/null; do
  link_runs
  sleep 2 &
  wait $!
done
echo "Prometheus or Alertmanager has ended; its message is above" >&2
exit 70
