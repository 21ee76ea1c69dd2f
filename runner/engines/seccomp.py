"""Which system calls a container may make: those that computing takes, and no others.

A profile replaces the daemon's own, so it says everything: for a process without capabilities, on
the machine's own architecture alone, since the calls of 32-bit programs would open another way to
what is closed here. Left out are, beside all that needs a capability, io_uring (a second way into
the kernel, past these very rules), all sockets but those of UNIX, the internet and netlink (one of
AF_VSOCK leads from a virtual machine to its host, and no network namespace keeps it), keyrings
(shared by all containers of a user), userfaultfd, bpf, perf, and new namespaces.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
"""Machine → its name in profiles."""
OTHER_NAMES = {"amd64": "x86_64", "arm64": "aarch64"}
"""What podman calls machines."""
ENOSYS = 38
"""The answer to ``clone3``, so that C libraries fall back to ``clone``, whose flags can be read."""
SOCKETS = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
"""Families of sockets that may be made."""
INT = 0xFFFFFFFF
"""What the kernel reads of an argument of C's type int; the rest may be anything."""
NEW_NAMESPACES = 0x7E020000
"""Flags of ``clone`` that make namespaces: CLONE_NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET."""
PERSONALITIES = (0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
"""Linux, 32-bit addresses, the version number of 2.6, both, and the question which one it is."""

FILES = """
    access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat
    faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl
    fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate
    futimesat getcwd getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1
    inotify_rm_watch ioctl io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit
    lchown lgetxattr link linkat listxattr llistxattr lremovexattr lseek lsetxattr lstat mkdir
    mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev
    pwritev2 read readahead readlink readlinkat readv removexattr rename renameat renameat2 rmdir
    sendfile setxattr splice stat statfs statx symlink symlinkat sync sync_file_range syncfs tee
    truncate umask unlink unlinkat utime utimensat utimes vmsplice write writev
"""
MEMORY = """
    brk madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap msync
    munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages
"""
PROCESSES = """
    alarm capget capset execve execveat exit exit_group fork getcpu getegid geteuid getgid
    getgroups getitimer getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit
    getrusage getsid gettid getuid ioprio_get ioprio_set kill landlock_add_rule
    landlock_create_ruleset landlock_restrict_self pause pidfd_open pidfd_send_signal prctl
    prlimit64 process_vm_readv process_vm_writev ptrace restart_syscall rseq rt_sigaction
    rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity
    sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity
    sched_setattr sched_setparam sched_setscheduler sched_yield seccomp setfsgid setfsuid setgid
    setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid
    setuid sigaltstack sysinfo tgkill times tkill uname vfork wait4 waitid
"""
WAITING = """
    clock_getres clock_gettime clock_nanosleep epoll_create epoll_create1 epoll_ctl epoll_pwait
    epoll_pwait2 epoll_wait eventfd eventfd2 futex futex_requeue futex_wait futex_waitv futex_wake
    get_robust_list getrandom gettimeofday nanosleep poll ppoll pselect6 select set_robust_list
    set_tid_address signalfd signalfd4 time timer_create timer_delete timer_getoverrun
    timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime
"""
TALKING = """
    accept accept4 bind connect getpeername getsockname getsockopt listen mq_getsetattr mq_notify
    mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 recvfrom
    recvmmsg recvmsg semctl semget semop semtimedop sendmmsg sendmsg sendto setsockopt shmat
    shmctl shmdt shmget shutdown socketpair
"""
OF_THE_MACHINE = {"x86_64": "arch_prctl set_thread_area get_thread_area", "aarch64": ""}


def machine(info: Mapping[str, Any]) -> str | None:
    """The machine of a daemon that can hold a container to a profile; ``None`` of any other."""
    options = [str(option) for option in info.get("SecurityOptions") or []]
    if not any(option.startswith("name=seccomp") for option in options):
        return None
    architecture = str(info.get("Architecture", platform.machine()))
    name = OTHER_NAMES.get(architecture, architecture)
    return name if name in ARCHITECTURES else None


def profile(machine: str, *, errors: bool = True) -> dict[str, Any]:
    """The strict profile in the words of the daemon.

    Without ``errors`` it is for programs that know one error number alone: there ``clone3`` is a
    matter for a tracer, which the kernel answers with ENOSYS where there is none, so that no
    process may become one.
    """
    names = f"{FILES} {MEMORY} {PROCESSES} {WAITING} {TALKING} {OF_THE_MACHINE[machine]}".split()
    missing: dict[str, Any] = {"action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS}
    if not errors:
        names.remove("ptrace")
        missing = {"action": "SCMP_ACT_TRACE"}
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": [ARCHITECTURES[machine]],
        "syscalls": [
            {"names": sorted(names), "action": "SCMP_ACT_ALLOW"},
            *(_allowed_if("socket", INT, family) for family in SOCKETS.values()),
            _allowed_if("clone", NEW_NAMESPACES, 0),
            *(_allowed_if("personality", INT, value) for value in PERSONALITIES),
            {"names": ["clone3"], **missing},
        ],
    }


def _allowed_if(name: str, mask: int, value: int) -> dict[str, Any]:
    """A system call that is allowed if its first argument, under a mask, has this value."""
    first = {"index": 0, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [first]}
