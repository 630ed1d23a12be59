"""What psutil tells of this machine and of one process: its number is the only argument."""

import json
import sys

import psutil

process = psutil.Process(int(sys.argv[1]))
times = process.cpu_times()
links = {
    name: [address.address for address in addresses if address.family == psutil.AF_LINK]
    for name, addresses in psutil.net_if_addrs().items()
}
json.dump(
    {
        "process": {
            "Name": process.name(),
            "ExecutablePath": process.exe(),
            "CommandLine": " ".join(process.cmdline()),
            "ParentProcessId": process.ppid(),
            "ThreadCount": process.num_threads(),
            "WorkingSetSize": process.memory_info().rss,
            "VirtualSize": process.memory_info().vms,
            "HandleCount": process.num_fds(),
        },
        "begun": process.create_time(),
        "cpu": [times.user, times.system],
        "boot": psutil.boot_time(),
        "processors": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "swap": psutil.swap_memory().total,
        "processes": psutil.pids(),
        "links": links,
        "disks": {
            disk.mountpoint: [disk.fstype, psutil.disk_usage(disk.mountpoint).total,
                              psutil.disk_usage(disk.mountpoint).free]
            for disk in psutil.disk_partitions()
        },
    },
    sys.stdout,
)
