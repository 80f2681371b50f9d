#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Errors that the guest's kernel makes, told to a program that has the real device's pages under softdax. A line "ok WHAT" or "FAILED WHAT" each.
PATH=/payload/bin:$PATH
live=/dev/virtio-ports/live

# A device's page comes again when it is touched (dev_dax_fault looks at no mark): the program is told once.
fails() { # WHAT DEVICE PAGES EXPECTED COMMAND...: what the program says when COMMAND has failed a page
  what=$1 device=$2 pages=$3 expected=$4
  shift 4
  for name in $(softdax run --medium $device -- daxctl list | sed -n 's/.*"chardev":"\(.*\)".*/\1/p'); do
    [ -e /dev/$name ] || seen=/dev/$name
  done
  rm -f /tmp/in /tmp/out; mkfifo /tmp/in
  softdax run --medium $device -- error-steps $seen $pages early handle store wait touch < /tmp/in > /tmp/out 2> /tmp/err &
  exec 9> /tmp/in
  for second in $(seq 60); do grep -q ready /tmp/out && break; sleep 1; done
  "$@" > /tmp/log 2>&1
  for second in $(seq 30); do grep -q "^signal" /tmp/out && break; sleep 1; done
  echo >&9; exec 9>&-; wait
  seen=$(grep -v ready /tmp/out | head -n 3 | tr '\n' ',')
  if [ "$seen" = "$expected" ]; then echo "ok $what" > $live; else
    echo "FAILED $what: $seen $(tail -n 3 /tmp/err /tmp/log | tr '\n' ' ')" > $live; fi
}

resource() { printf '%d' "$(cat /sys/bus/dax/devices/$1/resource)"; }

fails "/dev/dax1.0: MADV_HWPOISON by another process reaches a program under softdax" \
  /dev/dax1.0 16 "signal code 5 page 3," fail-page /dev/dax1.0 12288
# QEMU's monitor; the status is that of kernel.c in the worker: not consumed.
fails "/dev/dax1.0: a machine check reaches a program under softdax" \
  /dev/dax1.0 16 "signal code 5 page 5," \
  sh -c "printf 'mce 0 9 0xbd000000000000c0 0x5 0x%x 0x8c\n' $(( $(resource dax1.0) + 20480 )) > /dev/virtio-ports/hmp; sleep 2"
fails "/dev/dax0.0: MADV_HWPOISON by another process reaches a program under softdax" \
  /dev/dax0.0 512 "signal code 5 page 0," fail-page /dev/dax0.0 0
