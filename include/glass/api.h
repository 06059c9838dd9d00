/* api.h - what every public header needs: visibility and C linkage. */
#ifndef GLASS_API_H
#define GLASS_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GLASS_API __attribute__((visibility("default")))
#else
#define GLASS_API
#endif

#ifdef __cplusplus
#define GLASS_BEGIN extern "C" {
#define GLASS_END   }
#else
#define GLASS_BEGIN
#define GLASS_END
#endif

#endif
