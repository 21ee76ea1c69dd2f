"""A real Slurm on this machine's loopback, brought up from nothing: one controller, some nodes."""

import os
import re
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.phase import wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
SlurmdTimeout=5
SlurmctldTimeout=5
TCPTimeout=2
MessageTimeout=5
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
{nodes}
NodeName=bare NodeHostname=nowhere NodeAddr=127.0.0.1 State=DOWN
PartitionName=bare Nodes=bare
PartitionName=all Nodes={names} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={names} MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
"""


OCI_CONF = """
RunTimeQuery="runc --root=/run/tests-oci state %n.%u.%j.%s.%t"
RunTimeKill="runc --root=/run/tests-oci kill --all %n.%u.%j.%s.%t"
RunTimeDelete="runc --root=/run/tests-oci delete --force %n.%u.%j.%s.%t"
RunTimeRun="runc --root=/run/tests-oci run %n.%u.%j.%s.%t --bundle %b"
"""
"""How Slurm starts a container itself, as https://slurm.schedmd.com/containers.html has it."""


def missing():
    """Why no cluster can be had here; ``None`` where one can."""
    if os.getuid() != 0:
        return "Slurm's daemons need root here"
    lacking = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else None


def _path():
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Cluster:
    """Its daemons are our children, in the foreground, so that each can be killed by its id."""

    def __init__(self, folder: Path, num_nodes=2):
        self.folder, self.conf = folder, folder / "slurm.conf"
        self.nodes = [f"n{index}" for index in range(1, num_nodes + 1)]
        self._daemons = {}
        for name in ("state", *(f"spool-{node}" for node in self.nodes)):
            (folder / name).mkdir()
        host = socket.gethostname().partition(".")[0]
        gpus = [folder / "nvidia0", folder / "nvidia1"]
        for gpu in gpus:
            subprocess.run(["mknod", gpu, "c", "1", "3"], check=True)
        lines = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={_free_port()} "
            "CPUs=4 RealMemory=20000 Gres=gpu:2"
            for node in self.nodes
        ]
        self.conf.write_text(
            CONF.format(
                host=host,
                port=_free_port(),
                folder=folder,
                nodes="\n".join(lines),
                names=",".join(self.nodes),
            )
        )
        devices = ",".join(map(str, gpus))
        (folder / "gres.conf").write_text(f"AutoDetect=off\nName=gpu File={devices}\n")
        (folder / "oci.conf").write_text(OCI_CONF)
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\nIgnoreSystemd=yes\n")
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)

    def up(self):
        folder = self.folder
        self._start(
            *("munged", "munged", "--foreground", "--force", f"--key-file={folder}/munge.key"),
            *(f"--socket={folder}/munge.sock", f"--pid-file={folder}/munged.pid"),
            *(f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed"),
        )
        wait_until(lambda: (folder / "munge.sock").exists())
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self.wait_for_nodes()

    def wait_for_nodes(self):
        """Wait until all nodes are there and have nothing to do."""
        wait_until(lambda: self.states().count("idle") == len(self.nodes))

    def mend(self, node):
        """Have a node again that was killed; what it ran is ended."""
        self.start_node(node)
        self.resume()

    def drain(self, *nodes):
        """Have nodes take no further job."""
        self.do("scontrol", "update", f"nodename={','.join(nodes)}", "state=drain", "reason=test")

    def resume(self):
        """Have all nodes take jobs again, and wait until none has anything to do."""

        def are_back():
            for node in self.nodes:  # refused where it has come back by itself
                self.ask("scontrol", "update", f"nodename={node}", "state=resume")
            return self.states().count("idle") == len(self.nodes)

        wait_until(are_back)

    @contextmanager
    def patient(self, kill_wait_s):
        """Have jobs that are cancelled so long until they are killed."""
        before = self.conf.read_text()
        self._configure(re.sub("^KillWait=.*$", f"KillWait={kill_wait_s}", before, flags=re.M))
        try:
            yield
        finally:
            self._configure(before)

    def _configure(self, text):
        """Have all daemons take up other settings; a node says in its log when it reads them."""
        logs = [self.folder / f"slurmd-{node}.log" for node in self.nodes]

        def read():
            return [log.read_text().count("CPU frequency setting") for log in logs]

        before = read()
        self.conf.write_text(text)
        self.do("scontrol", "reconfigure")
        wait_until(lambda: all(now > then for now, then in zip(read(), before, strict=True)))

    def start_controller(self):
        self._start("slurmctld", "slurmctld", "-D", "-f", self.conf)

    def start_node(self, node, *, apart=False):
        """Start it; ``apart`` with mounts of its own, so that it may see other files than we."""
        words = ("slurmd", "-D", "-N", node, "-f", self.conf)
        self._start(node, *(("unshare", "--mount") if apart else ()), *words)

    def kill(self, daemon):
        """Kill a daemon: ``slurmctld``, or a node by its name."""
        process = self._daemons.pop(daemon)
        process.kill()
        process.wait()

    def stop(self, daemon):
        """Have a daemon end by itself, with all that it knows on disk."""
        process = self._daemons.pop(daemon)
        process.terminate()
        process.wait()

    def states(self):
        return self.ask("sinfo", "--noheader", "--partition=all", "--Node", "--format=%t").split()

    def jobs(self, states="all"):
        """Names and states of all jobs."""
        lines = self.ask("squeue", "--noheader", f"--states={states}", "--format=%j %T")
        return [tuple(line.split()) for line in lines.splitlines()]

    def job_of(self, arm, state="RUNNING"):
        """Its number, once it is in that state."""
        numbers = []

        def there():
            lines = self.ask("squeue", "--noheader", f"--states={state}", "--format=%A %j")
            numbers[:] = [
                number
                for number, name in (line.split() for line in lines.splitlines())
                if name.rsplit("-", 1)[0].endswith(f"-{arm}")
            ]
            return len(numbers) == 1

        wait_until(there)
        return numbers[0]

    def wait_for_end(self, number):
        """Wait until a job is over for the queue."""
        wait_until(lambda: not self.ask("squeue", "--noheader", "--jobs", number).strip())

    def node_of(self, number):
        """The node that a job runs on."""
        return self.ask("squeue", "--noheader", "--jobs", number, "--format=%N").strip()

    def ask(self, *words):
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=self._env())
        return done.stdout

    def do(self, *words):
        subprocess.run(words, capture_output=True, text=True, check=True, env=self._env())

    def down(self):
        self.ask("scancel", f"--user={os.getuid()}")
        with suppress(AssertionError):
            wait_until(lambda: not self.jobs("RUNNING,COMPLETING"))
        for process in self._daemons.values():
            process.send_signal(signal.SIGTERM)
        for process in self._daemons.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _env(self):
        return os.environ | {"SLURM_CONF": str(self.conf), "PATH": _path()}

    def _start(self, name, program, *words):
        with (self.folder / f"{name}.out").open("ab") as said:
            self._daemons[name] = subprocess.Popen(
                [program, *words], env=self._env(), stdin=subprocess.DEVNULL,
                stdout=said, stderr=subprocess.STDOUT,
            )  # fmt: skip
