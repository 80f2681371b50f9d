/* SPDX-License-Identifier: Apache-2.0 */
/* server-gone DEVICE: says "ready"; when the device goes away, touches of pages seen and unseen must be SIGBUS, BUS_ADRERR. */
#include "program.h"

int main(int count, char **words)
{
	const char *path = device_argument(count, words);
	int fd = open_device(path, O_RDWR);
	volatile unsigned char *place = map(fd, 2 * HUGE, 0);
	int number = 0;

	catch_signals();
	place[0] = 1;
	puts("ready");
	fflush(stdout);
	for (int round = 0; round < 60000 && number == 0; round++) {
		usleep(10000);
		number = touch(&place[0], round % 2);
	}
	CHECK(number == SIGBUS && touch_info.si_code == BUS_ADRERR, "signal %d code %d, not SIGBUS BUS_ADRERR", number,
	      number ? touch_info.si_code : 0);
	EXPECT_SIGNAL(&place[HUGE], false, SIGBUS, BUS_ADRERR);
	EXPECT_SIGNAL(&place[HUGE + PAGE], true, SIGBUS, BUS_ADRERR);
	REFUSED(mmap(NULL, HUGE, BOTH, MAP_SHARED, fd, 0), ENXIO);
	DONE(munmap((void *)place, 2 * HUGE));
	puts("SIGBUS BUS_ADRERR");
	return 0;
}
