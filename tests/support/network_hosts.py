"""Several "hosts" on one machine: network namespaces on a bridge, each with a host name and a link of its own. Needs root."""
import os
import pathlib
import shutil
import subprocess




def ip(*words):
    done = subprocess.run(["ip", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(words)}: {done.stdout.strip()}")


class NetworkHosts:
    """`folder` gets the agent that mpirun calls in place of ssh, and the host file."""

    def __init__(self, folder, names=("node1", "node2")):
        tag = str(os.getpid() % 100000)
        self.names = names
        self.spaces = {name: f"sdl{tag}{name}" for name in names}
        self.links = {name: f"sdv{tag}{i}" for i, name in enumerate(names)}  # at most 15 characters
        self.bridge = f"sdb{tag}"
        self.prefix = f"10.77.{os.getpid() % 250}"
        self.folder = folder
        self.agent = folder / "agent.sh"
        self.host_file = folder / "hosts.txt"
        try:
            self._make()
        except BaseException:
            self.remove()
            raise

    def _make(self):
        ip("link", "add", self.bridge, "type", "bridge")
        ip("addr", "add", f"{self.prefix}.254/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")
        own_name = os.uname().nodename
        addresses = "".join(f"{self.prefix}.{i} {name}\n" for i, name in enumerate(self.names, 1))
        for i, name in enumerate(self.names, 1):
            space, link = self.spaces[name], self.links[name]
            ip("netns", "add", space)
            ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", link, "master", self.bridge, "up")
            ip("-n", space, "addr", "add", f"{self.prefix}.{i}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")
            hosts = pathlib.Path("/etc/netns") / space / "hosts"
            hosts.parent.mkdir(parents=True)
            hosts.write_text(f"127.0.0.1 localhost\n{self.prefix}.254 {own_name}\n{addresses}")
        cases = "\n".join(f"  {name}) space={space} ;;" for name, space in self.spaces.items())
        self.agent.write_text(f'#!/bin/bash\nhost=$1; shift\ncase $host in\n{cases}\n  *) exit 255 ;;\nesac\n'
                              'exec ip netns exec "$space" unshare --uts bash -c \'hostname "$0"; exec bash -c "$*"\' "$host" "$@"\n')
        self.agent.chmod(0o755)
        self.host_file.write_text("".join(f"{name} slots=1\n" for name in self.names))

    def environment(self):
        """For mpirun: how it reaches the hosts."""
        network = f"{self.prefix}.0/24"
        return dict(os.environ, OMPI_MCA_plm="rsh", OMPI_MCA_plm_rsh_agent=str(self.agent), OMPI_MCA_oob_tcp_if_include=network,
                    OMPI_MCA_btl="self,tcp", OMPI_MCA_btl_tcp_if_include=network)

    def processes_on(self, name):
        """Live process ids in that host's namespace."""
        done = subprocess.run(["ip", "netns", "pids", self.spaces[name]], stdout=subprocess.PIPE, text=True, check=True)
        return [int(word) for word in done.stdout.split()]

    def add_bridge(self, name, bridge, address):
        space = self.spaces[name]
        ip("-n", space, "link", "add", bridge, "type", "bridge")
        ip("-n", space, "addr", "add", address, "dev", bridge)
        ip("-n", space, "link", "set", bridge, "up")

    def cut(self, name):
        ip("link", "set", self.links[name], "down")

    def mend(self, name):
        ip("link", "set", self.links[name], "up")

    def remove(self):
        for name in self.names:
            for words in (("link", "del", self.links[name]), ("netns", "del", self.spaces[name])):
                subprocess.run(["ip", *words], stderr=subprocess.DEVNULL)
            shutil.rmtree(pathlib.Path("/etc/netns") / self.spaces[name], ignore_errors=True)
        subprocess.run(["ip", "link", "del", self.bridge], stderr=subprocess.DEVNULL)
