#include "softdax_wire.h"
