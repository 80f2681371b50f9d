#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Set-up in the guest: sh lib.sh devdax | fsdax | fresh N | xfs [OPTIONS OF mkfs.xfs] | ext4
namespace() { # N MODE [OPTIONS OF ndctl]
  n=$1 m=$2; shift 2
  ndctl create-namespace -f -e namespace$n.0 -m $m "$@" > /tmp/ns$n.json 2>&1 || { cat /tmp/ns$n.json >&2; return 1; }
}
fresh() { # new page descriptors for namespace N
  ndctl disable-namespace namespace$1.0 >/dev/null 2>&1; ndctl enable-namespace namespace$1.0 >/dev/null 2>&1
}
case $1 in
  devdax) namespace 0 devdax -a 2M; namespace 1 devdax -a 4K ;;
  fsdax)
    for m in crc32c_intel crc32c_generic xfs ext4; do modprobe -q $m 2>/dev/null; done
    namespace 2 fsdax; namespace 3 fsdax ;;
  fresh) fresh "$2" ;;
  xfs)
    shift; umount /mnt 2>/dev/null; fresh 2
    mkfs.xfs -q -f -K "${@:--mreflink=1,rmapbt=1}" /dev/pmem2 && mount -t xfs -o dax=always /dev/pmem2 /mnt ;;
  ext4)
    umount /mnt 2>/dev/null; fresh 3
    mkfs.ext4 -q -F -E nodiscard -b 4096 /dev/pmem3 && mount -t ext4 -o dax=always /dev/pmem3 /mnt ;;
  *) echo "lib.sh: what is '$1'?" >&2; exit 2 ;;
esac
