#include <daxctl/libdaxctl.h>
#include <ndctl/libndctl.h>
