#include "softdax_version.h"
