# A computer for one engine, in namespaces of its own: machine.sh STATE ROOT USER_ID
# Its disk is ROOT, and memory for all that is written; STATE is shared with whoever started it.
# It ends with its stdin.
set -eu
state=$1 root=$2 user=$3
mount --make-rprivate /
chmod 755 "$state"
mkdir "$state/files" "$state/disk"
mount -t tmpfs -o size=8g,mode=755 disk "$state/disk"
cd "$state/disk"
mkdir written work root engine home
mount -t overlay -o "lowerdir=$root,upperdir=$PWD/written,workdir=$PWD/work" machine root
cd root
mkdir -p state old etc/containers
mount --rbind "$state" state
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
umount sys/fs/cgroup/unified 2>/dev/null || true # crun refuses a mixture of both versions
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mknod -m 666 "$state/disk/tun" c 10 200
mount --bind "$state/disk/tun" dev/net/tun
mkdir run/lock
ip link set lo up
echo "nameserver 45.66.77.53" > etc/resolv.conf
echo "127.0.0.1 localhost" > etc/hosts
echo "owner:x:$user:$user::/state/disk/home:/bin/sh" >> etc/passwd
echo "owner:100000:65536" | tee etc/subuid > etc/subgid
cat > etc/containers/storage.conf << END
[storage]
driver = "overlay"
runroot = "/run/containers"
graphroot = "/state/disk/engine"
END
printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' > etc/containers/containers.conf
chown "$user:$user" "$state/disk/home"
pivot_root . old
umount -l old
mount --make-rshared / # as on a real machine; Podman wants it
touch /state/ready
exec tini -- cat
