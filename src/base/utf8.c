/* utf8.c - UTF-8 as RFC 3629 defines it. */
#include "base/utf8.h"

/* Length from the lead byte, 0 for one that cannot lead. */
static size_t lead_length(unsigned char lead) {
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return 2;
    if (lead >= 0xe0 && lead <= 0xef) return 3;
    if (lead >= 0xf0 && lead <= 0xf4) return 4;
    return 0;
}

/* The second byte's range is narrower after E0, ED, F0 and F4. */
static int second_fits(unsigned char lead, unsigned char second) {
    unsigned char low = 0x80, high = 0xbf;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
    return second >= low && second <= high;
}

size_t utf8_decode(uint32_t *c, const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text;
    size_t length = lead_length(p[0]);
    *c = UTF8_BAD;
    if (length == 0 || length > n) return 1;
    if (length == 1) {
        *c = p[0];
        return 1;
    }
    if (!second_fits(p[0], p[1])) return 1;
    uint32_t value = p[0] & (0x7fu >> length);
    value = value << 6 | (p[1] & 0x3fu);
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) return 1;
        value = value << 6 | (p[i] & 0x3fu);
    }
    *c = value;
    return length;
}

size_t utf8_encode(char out[4], uint32_t c) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

size_t utf8_complete(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char byte = p[n - back];
        if ((byte & 0xc0) == 0x80) continue;
        size_t length = lead_length(byte);
        if (length <= back) return n;
        if (back >= 2 && !second_fits(byte, p[n - back + 1])) return n;
        return n - back;
    }
    return n;
}
