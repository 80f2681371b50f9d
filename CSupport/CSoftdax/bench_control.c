/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control of a bench: what a round trip between two threads takes says how busy the machine was.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench_common.h"
#include "softdax_bench.h"

#define ROUND_TRIPS 1000

static void pass_ball(int *ball, int from, int to)
{
	while (__atomic_load_n(ball, __ATOMIC_ACQUIRE) != from)
		syscall(SYS_futex, ball, FUTEX_WAIT_PRIVATE, to, NULL, NULL, 0);
	__atomic_store_n(ball, to, __ATOMIC_RELEASE);
	syscall(SYS_futex, ball, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *partner(void *ball)
{
	for (int i = 0; i < ROUND_TRIPS; i++)
		pass_ball(ball, 1, 0);
	return NULL;
}

double sd_bench_round_trip(void)
{
	int ball = 0;
	pthread_t thread;
	int error = pthread_create(&thread, NULL, partner, &ball);
	if (error)
		return -error;
	double began = sd_bench_now();
	for (int i = 0; i < ROUND_TRIPS; i++)
		pass_ball(&ball, 0, 1);
	pthread_join(thread, NULL);
	return (sd_bench_now() - began) / ROUND_TRIPS;
}
