#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# softdax on real devices, in the guest. A line "ok WHAT" or "FAILED WHAT" for each thing that must hold; last "done".
sh lib.sh devdax || exit 1
PATH=/payload/bin:$PATH
live=/dev/virtio-ports/live

holds() { # WHAT COMMAND...
  what=$1; shift
  if "$@" > /tmp/log 2>&1; then echo "ok $what" > $live; else
    echo "FAILED $what: $(tail -n 6 /tmp/log | tr '\n' ' ')" > $live; fi
}

echo "note kernel $(uname -r)" > $live
softdax check > /tmp/check 2>&1; sed 's/^/note /' /tmp/check > $live
holds "softdax check: softdax run works here" softdax check
holds "softdax finds real devices" sh -c 'softdax check | grep -q "^yes *real-devices"'

for device in /dev/dax0.0 /dev/dax1.0; do
  # The name that programs see under softdax: the first that this machine's own devices leave free.
  for name in $(softdax run --medium $device -- daxctl list | sed -n 's/.*"chardev":"\(.*\)".*/\1/p'); do
    [ -e /dev/$name ] || seen=/dev/$name
  done
  echo "note $device is $seen under softdax" > $live
  holds "$device: under softdax it is a device of another name" test -n "$seen"
  align=$(cat /sys/bus/dax/devices/${device#/dev/}/align)
  dd if=/dev/urandom of=/tmp/a bs=1M count=8 2>/dev/null
  dd if=/dev/urandom of=/tmp/b bs=1M count=8 2>/dev/null

  holds "$device: written natively, read through softdax" sh -c "
    daxio -i /tmp/a -o $device -l 8388608 &&
    softdax run --medium $device -- daxio -i $seen -o /tmp/back -l 8388608 && cmp -n 8388608 /tmp/a /tmp/back"
  rm -f /tmp/back
  holds "$device: written through softdax, read natively" sh -c "
    softdax run --medium $device -- daxio -i /tmp/b -o $seen -l 8388608 &&
    daxio -i $device -o /tmp/back -l 8388608 && cmp -n 8388608 /tmp/b /tmp/back"
  rm -f /tmp/back

  holds "$device: fio writes and verifies through softdax" softdax run --medium $device -- fio --name=v --ioengine=dev-dax \
    --filename=$seen --rw=randwrite --bs=4k --size=16m --verify=crc32c --do_verify=1 --verify_fatal=1 --output-format=terse
  holds "$device: fio verifies natively what it wrote through softdax" fio --name=v --ioengine=dev-dax \
    --filename=$device --rw=randwrite --bs=4k --size=16m --verify=crc32c --verify_only --verify_fatal=1 --output-format=terse

  if [ "$align" = 2097152 ]; then
    holds "$device: a pool made through softdax is a pool natively" sh -c "
      daxio -z -o $device -l 16777216 &&
      softdax run --medium $device -- pmempool create --layout=x obj $seen && pmempool info $device | grep -q 'Signature *: PMEMOBJ'"
    holds "$device: a pool natively is one through softdax" sh -c "
      softdax run --medium $device -- pmempool info $seen | grep -q 'Signature *: PMEMOBJ'"
  fi
  # What it costs to insert a mapping, by the kernel and by softdax.
  pages=$((67108864 / align > 4096 ? 4096 : 67108864 / align))
  touch-times $device $align $pages > /tmp/native 2>&1
  softdax run --report --medium $device -- touch-times $seen $align $pages > /tmp/under 2>&1
  holds "$device: the first touch of each page is timed, natively and through softdax" grep -q "^$pages pages; first touch" /tmp/native /tmp/under
  sed "s|^|note $device: native: |" /tmp/native > $live
  sed "s|^|note $device: under softdax: |" /tmp/under > $live
done

# The tests of what puts a real device's pages into windows, on both devices.
SOFTDAX_TEST_DEVICES=/dev/dax0.0,/dev/dax1.0 swift-tests --testing-library swift-testing --no-parallel \
  --filter 'FaultEngineTests' 2>&1 | while IFS= read -r line; do echo "swift $line"; done > $live

# Last: the pages stay bad.
sh real-errors.sh
echo "done" > $live
