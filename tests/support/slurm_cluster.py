"""A real Slurm of one node, for a test: munged, slurmctld and slurmd with their own ports and folders. Needs root."""
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

SECONDS_TO_REQUEUE = 5  # Slurm waits so long before it starts a requeued job again; 120 by default

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={requeue}
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobRequeue=1
KillWait=5
MpiDefault=none
SchedulerParameters=batch_sched_delay=0,sched_interval=1
PlugStackConfig={folder}/plugstack.conf
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing_for_it():
    """What keeps a Slurm from being started here; empty when nothing does."""
    programs = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol") if not shutil.which(name)]
    return ("no root" if os.geteuid() != 0 else "") or ", ".join(programs)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class SlurmCluster:
    def __init__(self):
        # munged wants a folder whose parents nobody else may write to; /run is one
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-slurm-", dir="/run"))
        self.folder.chmod(0o755)
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        (self.folder / "plugstack.conf").touch()
        self.configuration = self.folder / "slurm.conf"
        self.configuration.write_text(CONFIGURATION.format(folder=self.folder, host=socket.gethostname().split(".")[0],
                                                           ports=free_ports(2), requeue=SECONDS_TO_REQUEUE))
        self.environment = dict(os.environ, SLURM_CONF=str(self.configuration))
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self.daemons = []
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        munge = {name: f"--{name}-file={self.folder}/munge.{name}" for name in ("key", "pid", "log", "seed")}
        self.daemons.append(subprocess.Popen(["munged", "--foreground", f"--socket={self.folder}/munge.socket", *munge.values(),
                                              "--force", "--num-threads=1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        self._wait_for((self.folder / "munge.socket").exists, "munged")
        for daemon in ("slurmctld", "slurmd"):
            self.daemons.append(subprocess.Popen([daemon, "-D", "-f", self.configuration], env=self.environment,
                                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        self._wait_for(lambda: "idle" in self.run("sinfo", "-h", "-o", "%T").stdout, "an idle node")

    def _wait_for(self, is_so, what, timeout_seconds=60):
        deadline = time.monotonic() + timeout_seconds
        while not is_so():
            dead = [daemon.args[0] for daemon in self.daemons if daemon.poll() is not None]
            if dead or time.monotonic() > deadline:
                logs = "\n".join(f"{log}:\n{log.read_text()[-2000:]}" for log in self.folder.glob("*.log"))
                raise AssertionError(f"waited in vain for {what}; ended daemons: {dead}\n{logs}")
            time.sleep(0.1)

    def run(self, *command):
        return subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def submit(self, *words, cwd, **settings):
        """Returns the job's number."""
        done = subprocess.run(["sbatch", "--parsable", *map(str, words)], env={**self.environment, **settings}, cwd=cwd,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    def job(self, number):
        """What scontrol says of a job, as a dict of text."""
        words = self.run("scontrol", "show", "job", number, "--oneliner").stdout.split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_for_end(self, number, timeout_seconds=150):
        deadline = time.monotonic() + timeout_seconds
        while (job := self.job(number)).get("JobState") in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING"):
            assert time.monotonic() < deadline, job
            time.sleep(0.2)
        return job

    def stop(self):
        if len(self.daemons) > 1:
            self.run("scancel", "--full", "--user=root")
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
