/* test_licence.c - names of licences, expressions, policies, debian/copyright, and what files say
 * themselves. */
#include "data/dep5.h"
#include "data/licence.h"
#include "data/notice.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include <unistd.h>

static void check_normal(const char *text, const char *wanted) {
    struct buf out = {0};
    assert_int_equal(licence_normal(&out, text, strlen(text)), GLASS_OK);
    const char *got = out.len ? out.data : "";
    if (strcmp(got, wanted) != 0) fail_msg("%s: got %s, wanted %s", text, got, wanted);
    buf_free(&out);
}

static void names(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"MIT", "MIT"},
        {"Expat", "MIT"},
        {"GPL-2+", "GPL-2.0-or-later"},
        {"GPL-2", "GPL-2.0-only"},
        {"gpl-2.0+", "GPL-2.0-or-later"},
        {"GPL-3.0-only", "GPL-3.0-only"},
        {"GPL", "GPL-1.0-or-later"},
        {"LGPL-2.1+", "LGPL-2.1-or-later"},
        {"GPL-2.5", "LicenseRef-GPL-2.5"},
        {"GPL2", "GPL-2.0-only"},
        {"GFDL-1.3+-no-invariant", "GFDL-1.3-no-invariants-or-later"},
        {"GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"},
        {"GFDL-1.2+", "GFDL-1.2-or-later"},
        {"GFDL-1.3-invariants-or-later", "GFDL-1.3-invariants-or-later"},
        {"BSD-3-clause", "BSD-3-Clause"},
        {"FSF-manpages", "LicenseRef-FSF-manpages"}, /* several texts have that name */
        {"PD-debian", "LicenseRef-public-domain"},
        {"public-domain-md5", "LicenseRef-public-domain"},
        {"FSFULLR-No-Warranty", "FSFULLRWD"},
        {"OPL-1+", "OPUBL-1.0"},
        {"AFL-2.1", "AFL-2.1"},
        {"public-domain", "LicenseRef-public-domain"},
        {"CC BY-SA 3.0", "CC-BY-SA-3.0"},
        {"cc-by-nc-nd-4.0", "CC-BY-NC-ND-4.0"},
        {"CC BY 4.0", "CC-BY-4.0"},
        {"CC-BY", "LicenseRef-CC-BY"},
        {"CC-BY 3.0/4.0", "CC-BY-3.0 AND CC-BY-4.0"},
        {"CC0 1.0 / public domain (US)", "CC0-1.0 AND LicenseRef-public-domain"},
        {"CC BY-SA 3.0 (or GPL-2+)", "CC-BY-SA-3.0 OR GPL-2.0-or-later"},
        {"GPL-2+ or Artistic, and MIT", "(GPL-2.0-or-later OR Artistic-1.0) AND MIT"},
        {"GPL-2+ or Artistic and MIT", "GPL-2.0-or-later OR (Artistic-1.0 AND MIT)"},
        {"MIT OR Apache-2.0", "MIT OR Apache-2.0"},
        {"(MIT AND BSD-3-Clause) OR ISC", "(MIT AND BSD-3-Clause) OR ISC"},
        {"GPL-2.0-or-later WITH Classpath-exception-2.0",
         "GPL-2.0-or-later WITH Classpath-exception-2.0"},
        {"GPL-3+ with autoconf exception", "GPL-3.0-or-later WITH autoconf-exception"},
        {"MIT and Expat", "MIT"},
        {"my own terms", "LicenseRef-my-own-terms"},
        {"LicenseRef-mine", "LicenseRef-mine"},
        {"unknown", ""},
        {"NOASSERTION", ""},
        {"", ""},
        {"((((((((((((((((((((MIT))))))))))))))))))))", "LicenseRef-too-long-to-read"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_normal(rows[i][0], rows[i][1]);
}

/* What is printed reads back as itself. */
static void expressions_read_back(void **state) {
    (void)state;
    static const char *const rows[] = {
        "(MIT OR ISC) AND Zlib", "MIT OR ISC AND Zlib",
        "GPL-2.0-only WITH x-exception OR (MIT OR ISC) AND X11",
        "LicenseRef-a AND LicenseRef-b"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf once = {0}, twice = {0};
        assert_int_equal(licence_normal(&once, rows[i], strlen(rows[i])), GLASS_OK);
        assert_int_equal(licence_normal(&twice, once.data, once.len), GLASS_OK);
        assert_string_equal(once.data, twice.data);
        buf_free(&once);
        buf_free(&twice);
    }
}

static bool allows(const char *policy, const char *expression) {
    struct licence_policy p;
    assert_int_equal(policy_open(&p, policy), GLASS_OK);
    bool fine = policy_allows(&p, expression, false, NULL, NULL);
    policy_clear(&p);
    return fine;
}

static void policies(void **state) {
    (void)state;
    assert_true(allows("known", "GPL-2.0-only"));
    assert_true(allows("dfsg", "FSFULLRWD"));
    assert_true(allows("permissive", "FSFULLR AND FSFUL"));
    assert_false(allows("no-share-alike", "Latex2e"));
    assert_false(allows("dfsg", "OPUBL-1.0"));
    assert_true(allows("known", "CC-BY-NC-4.0"));
    assert_false(allows("known", "LicenseRef-mine"));
    assert_false(allows("known", ""));
    assert_true(allows("any", ""));
    assert_true(allows("any", "LicenseRef-mine"));
    assert_true(allows("dfsg", "GFDL-1.3-no-invariants-or-later"));
    assert_false(allows("dfsg", "GFDL-1.3-invariants-or-later"));
    assert_false(allows("dfsg", "GFDL-1.3-or-later"));
    assert_false(allows("dfsg", "CC-BY-SA-2.5"));
    assert_true(allows("dfsg", "CC-BY-SA-3.0"));
    assert_false(allows("dfsg", "CC-BY-ND-4.0"));
    assert_true(allows("permissive", "MIT OR GPL-2.0-only"));
    assert_false(allows("permissive", "MIT AND GPL-2.0-only"));
    assert_true(allows("permissive", "(MIT OR GPL-2.0-only) AND ISC"));
    assert_false(allows("no-share-alike", "CC-BY-SA-4.0"));
    assert_true(allows("no-share-alike", "CC-BY-4.0"));
    assert_false(allows("commercial", "CC-BY-NC-4.0"));
    assert_true(allows("public-domain", "CC0-1.0 AND LicenseRef-public-domain"));
    assert_false(allows("public-domain", "MIT"));
    struct licence_policy p;
    assert_int_equal(policy_open(&p, "frei"), GLASS_USAGE);
}

static void own_rules(void **state) {
    (void)state;
    char path[] = "/tmp/glass-policy-XXXXXX";
    struct licence_policy p;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char good[] =
        "deny: [GPL-*]\nallow:\n  - LicenseRef-mine\n  - CC-BY-SA-*\n"
        "base: permissive\ndeny_makers: [\"model:*\"]\n"
        "contradictory: false\n";
    assert_int_equal(write(fd, good, sizeof good - 1), sizeof good - 1);
    assert_int_equal(policy_open(&p, path), GLASS_OK);
    char reason[128];
    assert_true(policy_allows(&p, "LicenseRef-mine", false, NULL, reason));
    assert_true(policy_allows(&p, "CC-BY-SA-4.0 AND MIT", false, "person", reason));
    assert_false(policy_allows(&p, "GPL-2.0-only AND MIT", false, NULL, reason));
    assert_string_equal(reason, "GPL-2.0-only");
    assert_false(policy_allows(&p, "MIT", false, "model:x", reason));
    assert_false(policy_allows(&p, "MIT", true, NULL, reason));
    policy_clear(&p);
    static const char *const bad[] = {"bass: dfsg\n", "base: free\n", "allow: MIT\n",
                                      "unknown: 3\n", "- MIT\n",      "allow: [[MIT]]\n",
                                      "a: [\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, bad[i], strlen(bad[i]), 0), strlen(bad[i]));
        assert_int_equal(policy_open(&p, path), GLASS_BAD_INPUT);
        assert_non_null(strstr(glass_error(), path));
    }
    close(fd);
    unlink(path);
}

static void globs(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool fits;
    } rows[] = {{"*", "a/b/c", true},
                {"src/*", "src/a/b.c", true},
                {"*.c", "src/x.c", true},
                {"src/*.c", "src/a/b.h", false},
                {"a?c", "abc", true},
                {"a?c", "a/c", true},
                {"a?c", "ac", false},
                {"a\\*c", "a*c", true},
                {"a\\*c", "abc", false},
                {"a\\?c", "abc", false},
                {"a\\\\b", "a\\b", true},
                {"**a**b*", "xxayyb", true},
                {"", "", true},
                {"", "a", false},
                {"debian", "debian/x", false},
                {"*a*a*a*a*b", "aaaaaaaaaaaaaaaa", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (licence_glob(rows[i].pattern, strlen(rows[i].pattern), rows[i].text,
                         strlen(rows[i].text)) != rows[i].fits)
            fail_msg("%s on %s", rows[i].pattern, rows[i].text);
}

static const char copyright[] =
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
    "Upstream-Name: thing\n"
    "\n"
    "Files: *\n"
    "Copyright: 2001 A. Body\n"
    " 2002 B. Body\n"
    "License: GPL-2+\n"
    "\n"
    "# a comment\n"
    "Files: src/* doc/a.txt\n"
    "       lib/?.c\n"
    "Copyright: 2003 C\n"
    "License: Expat or GPL-2+\n"
    "\n"
    "Files: src/special/*\n"
    "Copyright: D\n"
    "License: MIT-like\n"
    " Permission to use, copy, modify, and/or distribute this software for any purpose\n"
    " with or without fee is hereby granted, provided that the above copyright notice\n"
    "\n"
    "Files: manual/*\n"
    "Copyright: E\n"
    "License: GFDL-1.3+\n"
    "\n"
    "Files: odd/*\n"
    "Copyright: F\n"
    "License: GPL-2\n"
    " This is free software; you can redistribute it under the terms of the GNU General\n"
    " Public License as published by the Free Software Foundation; either version 2 of "
    "the\n"
    " License, or (at your option) any later version.\n"
    "\n"
    "Files: less/*\n"
    "Copyright: G\n"
    "License: GPL-2+ or Less\n"
    "\n"
    "License: Less\n"
    " Redistribution and use in source and binary forms, with or without modification,\n"
    " 1. Redistributions of source code must retain the above copyright notice\n"
    " 2. Redistributions in binary form must reproduce the above copyright\n"
    "\n"
    "License: GFDL-1.3+\n"
    " Permission is granted to copy, distribute and/or modify this document under the "
    "terms\n"
    " of the GNU Free Documentation License, Version 1.3 or any later version published "
    "by\n"
    " the Free Software Foundation; with no Invariant Sections, no Front-Cover Texts.\n"
    "\n"
    "License: GPL-2+\n"
    " under the terms of the GNU General Public License, version 2 or later\n";

static void check_path(const struct dep5 *d, const char *path, const char *wanted,
                       bool contradictory) {
    struct buf out = {0};
    bool is;
    int stanza = dep5_find(d, path);
    assert_true(stanza > 0);
    assert_int_equal(dep5_licence(&out, d, stanza, &is), GLASS_OK);
    if (strcmp(out.data, wanted) != 0)
        fail_msg("%s: got %s, wanted %s", path, out.data, wanted);
    assert_int_equal(is, contradictory);
    buf_free(&out);
}

static void stanzas(void **state) {
    (void)state;
    struct dep5 d;
    assert_int_equal(dep5_parse(&d, copyright, sizeof copyright - 1), GLASS_OK);
    assert_int_equal(d.n, 10);
    check_path(&d, "less/a.c", "GPL-2.0-or-later OR BSD-2-Clause", false);
    check_path(&d, "README", "GPL-2.0-or-later", false);
    check_path(&d, "src/a.c", "MIT OR GPL-2.0-or-later", false);
    check_path(&d, "lib/x.c", "MIT OR GPL-2.0-or-later", false);
    check_path(&d, "lib/xy.c", "GPL-2.0-or-later", false);
    check_path(&d, "doc/a.txt", "MIT OR GPL-2.0-or-later", false);
    check_path(&d, "src/special/x", "ISC", false); /* the last stanza that fits; its text */
    check_path(&d, "manual/x.texi", "GFDL-1.3-no-invariants-or-later", false);
    check_path(&d, "odd/x", "GPL-2.0-only AND GPL-2.0-or-later", true);
    struct buf whole = {0};
    bool is;
    assert_int_equal(dep5_whole(&whole, &d, &is), GLASS_OK);
    assert_non_null(strstr(whole.data, "GFDL-1.3-no-invariants-or-later"));
    assert_true(is);
    buf_free(&whole);
    dep5_clear(&d);
}

static void no_stanzas(void **state) {
    (void)state;
    struct dep5 d;
    static const char free_form[] =
        "This package was debianized by somebody.\n\nLicense: GPL\n";
    assert_int_equal(dep5_parse(&d, free_form, sizeof free_form - 1), GLASS_NEGATIVE);
    assert_int_equal(dep5_parse(&d, "", 0), GLASS_NEGATIVE);
    /* Cut at every byte: never past the end. */
    for (size_t n = 0; n < sizeof copyright; n++) {
        char *copy = malloc(n + 1);
        memcpy(copy, copyright, n);
        if (dep5_parse(&d, copy, n) == GLASS_OK) {
            struct buf out = {0};
            bool is;
            for (int i = 0; i < d.n; i++) dep5_licence(&out, &d, i, &is);
            dep5_find(&d, "src/a.c");
            buf_free(&out);
            dep5_clear(&d);
        }
        free(copy);
    }
}

static void check_notice(const char *text, const char *wanted, enum notice_kind kind,
                         const char *quoted) {
    struct notice n;
    assert_int_equal(notice_find(&n, text, strlen(text), NOTICE_FILE), GLASS_OK);
    const char *got = n.expression.len ? n.expression.data : "";
    if (strcmp(got, wanted) != 0) fail_msg("%.60s: got %s, wanted %s", text, got, wanted);
    assert_int_equal(n.kind, kind);
    if (quoted) {
        size_t k = strlen(quoted);
        assert_true(n.offset + n.n_bytes <= strlen(text) && n.n_bytes >= k);
        if (strncmp(text + n.offset, quoted, k) != 0)
            fail_msg("quoted %.*s", (int)n.n_bytes, text + n.offset);
    }
    notice_clear(&n);
}

static void notices(void **state) {
    (void)state;
    check_notice("/* SPDX-License-Identifier: MIT OR Apache-2.0 */\nint x;\n",
                 "MIT OR Apache-2.0", NOTICE_TAG,
                 "SPDX-License-Identifier: MIT OR Apache-2.0");
    check_notice("# SPDX-License-Identifier: GPL-2.0+\n", "GPL-2.0-or-later", NOTICE_TAG,
                 NULL);
    check_notice("The tag SPDX-License-Identifier: MIT is put there.\n", "", NOTICE_NONE,
                 NULL);
    check_notice(
        "# This program is free software; you can redistribute it and/or modify\n"
        "# it under the terms of the GNU General Public License as published by\n"
        "# the Free Software Foundation; either version 3, or (at your option)\n"
        "# any later version.\n# You should have received a copy of the GNU General\n"
        "# Public License along with this program.\n",
        "GPL-3.0-or-later", NOTICE_STATEMENT, "GNU General Public License");
    check_notice(
        "under the terms of version 2 of the GNU General Public License as published\n",
        "GPL-2.0-only", NOTICE_STATEMENT, NULL);
    check_notice(
        "This library is free software; under the terms of the GNU Lesser General\n"
        "Public License as published by the FSF; version 2.1 of the License.\n",
        "LGPL-2.1-only", NOTICE_STATEMENT, NULL);
    check_notice(
        "the complete text of the GNU General Public License version 2 can be found in\n"
        "/usr/share/common-licenses/GPL-2\n",
        "", NOTICE_NONE, NULL);
    check_notice("Licensed under the Apache License, Version 2.0 (the \"License\")\n",
                 "Apache-2.0", NOTICE_STATEMENT, NULL);
    check_notice("This file is hereby placed in the public domain.\n",
                 "LicenseRef-public-domain", NOTICE_STATEMENT, NULL);
    check_notice("An essay: works of the government are in the public domain elsewhere.\n",
                 "", NOTICE_NONE, NULL);
    check_notice("They are *not* in the public domain. This too.\n", "", NOTICE_NONE, NULL);
    check_notice("<a href=\"https://creativecommons.org/licenses/by-sa/4.0/\">x</a>",
                 "CC-BY-SA-4.0", NOTICE_STATEMENT, NULL);
    check_notice(
        "Creative Commons Attribution-NonCommercial-ShareAlike 3.0 Unported licence",
        "CC-BY-NC-SA-3.0", NOTICE_STATEMENT, NULL);
    check_notice(
        "Redistribution and use in source and binary forms, with or without\n"
        " * modification, are permitted provided that\n * 1. Redistributions of source\n"
        " * 2. Redistributions in binary form must reproduce the above copyright\n"
        " * 3. Neither the name of X may be used to endorse or promote products\n",
        "BSD-3-Clause", NOTICE_STATEMENT, "Redistribution and use");
    check_notice(
        "The contents of this file are subject to the Mozilla Public License Version\n"
        "1.1. Alternatively, the contents of this file may be used under the terms of\n"
        "either the GNU General Public License Version 2 or later (the \"GPL\"), or the\n"
        "GNU Lesser General Public License Version 2.1 or later (the \"LGPL\")\n",
        "MPL-1.1 OR GPL-2.0-or-later OR LGPL-2.1-or-later", NOTICE_STATEMENT, NULL);
    check_notice("It is under the same terms as Perl itself.",
                 "Artistic-1.0-Perl OR GPL-1.0-or-later", NOTICE_STATEMENT, NULL);
    check_notice("Once upon a time there was a king.\n", "", NOTICE_NONE, NULL);
}

/* What Debian's packages say, each read wrongly once. */
static void real_notices(void **state) {
    (void)state;
    /* m4 and TeXinfo begin a comment's line by a word. */
    check_notice(
        "dnl This file is free software; the Free Software Foundation\n"
        "dnl gives unlimited permission to copy and/or distribute it,\n"
        "dnl with or without modifications, as long as this notice is preserved.\n",
        "FSFULLR", NOTICE_STATEMENT, "gives unlimited");
    check_notice("# gives unlimited permission to copy and/or distribute it,\n"
                 "# with or without modifications, as long as this notice is preserved.\n"
                 "# This program is distributed in the hope that it will be useful,\n"
                 "# but WITHOUT ANY WARRANTY, to the extent permitted by law; without\n",
                 "FSFULLRWD", NOTICE_STATEMENT, NULL);
    /* gettext's macros name the GPL of other code. */
    check_notice("dnl gives unlimited permission to copy and/or distribute it,\n"
                 "dnl with or without modifications, as long as this notice is preserved.\n"
                 "dnl This file can be used in projects which are not available under\n"
                 "dnl the GNU General Public License or the GNU Library General Public\n"
                 "dnl License but which still want to provide support for gettext.\n"
                 "dnl gettext is covered by the GNU General Public License.\n",
                 "FSFULLR", NOTICE_STATEMENT, NULL);
    check_notice(
        "@c under the terms of the GNU Free Documentation License, Version 1.3 or\n"
        "@c any later version; with no\n@c Invariant Sections, no Front-Cover Texts, and\n"
        "@c no Back-Cover Texts.\n",
        "GFDL-1.3-no-invariants-or-later", NOTICE_STATEMENT, NULL);
    /* A cover text may not be changed either: Debian takes neither. */
    check_notice(
        "under the terms of the GNU Free Documentation License, Version 1.3 or any later\n"
        "version; with no Invariant Sections, with the Front-Cover Texts being\n"
        "\"A GNU Manual,\" and with the Back-Cover Texts as in (a) below.\n",
        "GFDL-1.3-or-later", NOTICE_STATEMENT, NULL);
    /* The GFDL itself, at the end of a manual. */
    check_notice("\"CC-BY-SA\" means the Creative Commons Attribution-Share Alike 3.0\n"
                 "license published by Creative Commons Corporation, a not-for-profit\n"
                 "under CC-BY-SA on the same site at any time before August 1, 2009\n"
                 "To use this License in a document you have written, include a copy:\n"
                 "under the terms of the GNU Free Documentation License, Version 1.3\n",
                 "", NOTICE_NONE, NULL);
    check_notice(
        "under the terms of the GNU Free Documentation License, Version 1.3 or any later\n"
        "version; with no Invariant Sections, with no Front-Cover Texts, and with no\n"
        "Back-Cover Texts. A copy is in the section entitled ``GFDL''. If it is published\n"
        "on paper, it should include the Front-Cover and Back-Cover Texts, as given\n",
        "GFDL-1.3-no-invariants-or-later", NOTICE_STATEMENT, NULL);
    check_notice("\xe2\x80\x9c"
                 "CC-BY-SA\xe2\x80\x9d means the Creative Commons\n"
                 "Attribution-Share Alike 3.0 license published by Creative Commons "
                 "Corporation\n",
                 "", NOTICE_NONE, NULL);
    check_notice(
        "This is not officially part of libpng, is hereby placed\nin the public domain\n",
        "LicenseRef-public-domain", NOTICE_STATEMENT, NULL);
    check_notice("# License: GPL\n", "GPL-1.0-or-later", NOTICE_STATEMENT, NULL);
    check_notice("# Set CI_CC to cc by default. See the license.\n", "", NOTICE_NONE, NULL);
    check_notice("CC-BY license", "LicenseRef-CC-BY", NOTICE_STATEMENT, NULL);
    check_notice("usr/share/doc/xz/COPYING.GPLv2 is no license\n", "", NOTICE_NONE, NULL);
    check_notice("- COPYING.LGPLv2.1: GNU Lesser General Public License version 2.1\n", "",
                 NOTICE_NONE, NULL);
    check_notice(
        "under the terms of the \\s-1GNU\\s0 Free Documentation License, Version 1.3 or\n"
        "any later version; with the\nInvariant Sections being \\*(L\"\\s-1GNU\\s0 "
        "GPL\\*(R\"\n",
        "GFDL-1.3-invariants-or-later", NOTICE_STATEMENT, NULL);
    check_notice("License: GPLv2+\n", "GPL-2.0-or-later", NOTICE_STATEMENT, NULL);
    check_notice("under the GNU LGPLv2.1+.\n", "LGPL-2.1-or-later", NOTICE_STATEMENT, NULL);
    /* A text may speak of the GPL; a copyright file means it. */
    check_notice("A chapter, graciously released under the GPL.\n", "", NOTICE_NONE, NULL);
    struct buf out = {0};
    assert_int_equal(notice_expression(&out, "Available under the GPL.", 24), GLASS_OK);
    assert_string_equal(out.data, "GPL-1.0-or-later");
    buf_free(&out);
    check_notice("under the same terms as the Perl 5 programming language system itself.",
                 "Artistic-1.0-Perl OR GPL-1.0-or-later", NOTICE_STATEMENT, NULL);
    check_notice("Permission is granted to make and distribute verbatim copies of\n"
                 "this document provided the copyright notice and this permission notice\n"
                 "are preserved on all copies.\n",
                 "Latex2e", NOTICE_STATEMENT, NULL);
    check_notice("subject to the terms and conditions\nset forth in the Open Publication "
                 "License, Draft v1.0 or later:\n",
                 "OPUBL-1.0", NOTICE_STATEMENT, NULL);
    check_notice(
        "/* fitblk.c: example\n   Not copyrighted -- provided to the public domain\n",
        "LicenseRef-public-domain", NOTICE_STATEMENT, NULL);
    check_notice("** The author disclaims copyright to this source code.  In place of\n",
                 "LicenseRef-public-domain", NOTICE_STATEMENT, NULL);
    check_notice(" * This code is released under the libpng license.\n", "Libpng",
                 NOTICE_STATEMENT, NULL);
    check_notice(
        "The packaging files are in the public domain.\nYou may freely use, modify\n",
        "LicenseRef-public-domain", NOTICE_STATEMENT, NULL);
    check_notice(
        "Permission is hereby granted, free of charge, to any person obtaining a\n"
        "copy, to deal in the Software without restriction, to use, copy, modify,\n"
        "merge, publish, distribute, distribute with modifications, sublicense\n"
        "this permission notice shall be included in all copies\n",
        "X11-distribute-modifications-variant", NOTICE_STATEMENT, NULL);
    /* Two licences, of which neither has the other's conditions. */
    check_notice(
        "Permission is hereby granted, free of charge, to any person obtaining a\n"
        "copy to deal in the Software. This permission notice shall be included.\n"
        "Redistribution and use in source and binary forms, with or without\n"
        "modification, are permitted. 1. Redistributions of source code must retain\n"
        "the above. 2. Redistributions in binary form must reproduce the above.\n",
        "MIT AND BSD-2-Clause", NOTICE_STATEMENT, NULL);
    check_notice(
        "Permission to use, copy, modify, and distribute this software for any\n"
        "purpose with or without fee is hereby granted, provided that the name of\n"
        "X not be used in advertising or publicity\n",
        "HPND", NOTICE_STATEMENT, NULL);
    struct notice n;
    static const char news[] = "2.0 is now licensed under the GPLv3.\n";
    assert_int_equal(notice_find(&n, news, sizeof news - 1, NOTICE_HISTORY), GLASS_OK);
    assert_int_equal(n.kind, NOTICE_NONE);
    notice_clear(&n);
    check_notice(news, "GPL-3.0-only", NOTICE_STATEMENT, NULL);
}

/* A notice, then the licence's text: the notice says which versions. */
static void notice_before_text(void **state) {
    (void)state;
    struct buf out = {0};
    static const char text[] =
        "It is under the terms of the GNU Free Documentation License, Version 1.1 or any\n"
        "later version; with the Invariant Sections being \"Funding\".\n\n"
        "GNU Free Documentation License\n\nVersion 1.2, November 2002\n\n"
        "Permission under the GNU Free Documentation License, Version 1.2\n";
    assert_int_equal(notice_expression(&out, text, sizeof text - 1), GLASS_OK);
    assert_string_equal(out.data, "GFDL-1.1-invariants-or-later");
    buf_free(&out);
}

static void stricter_names(void **state) {
    (void)state;
    assert_true(licence_within("GPL-1.0-or-later", "GPL-3.0-or-later OR LicenseRef-Less"));
    assert_false(licence_within("GPL-2.0-or-later", "GPL-3.0-or-later"));
    assert_true(licence_within("MIT", "X11"));
    assert_false(licence_within("X11", "MIT"));
    assert_true(licence_within("GFDL-1.1-no-invariants-or-later OR GPL-3.0-or-later",
                               "GPL-3.0-or-later OR GFDL-1.2-no-invariants-or-later"));
    assert_false(licence_within("GFDL-1.1-no-invariants-or-later", "GFDL-1.3-or-later"));
}

/* The licences that every Debian system has are read as what they are. */
static void whole_texts(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"GPL-1", "GPL-1.0-only"},     {"GPL-2", "GPL-2.0-only"},
        {"GPL-3", "GPL-3.0-only"},     {"LGPL-2", "LGPL-2.0-only"},
        {"LGPL-2.1", "LGPL-2.1-only"}, {"LGPL-3", "LGPL-3.0-only"},
        {"GFDL-1.2", "GFDL-1.2-only"}, {"GFDL-1.3", "GFDL-1.3-only"},
        {"Apache-2.0", "Apache-2.0"},  {"MPL-1.1", "MPL-1.1"},
        {"MPL-2.0", "MPL-2.0"},        {"CC0-1.0", "CC0-1.0"},
        {"BSD", "BSD-3-Clause"},       {"Artistic", "Artistic-1.0"}};
    int n_read = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static char text[1 << 17];
        char path[128];
        snprintf(path, sizeof path, "/usr/share/common-licenses/%s", rows[i][0]);
        FILE *file = fopen(path, "rb");
        if (file == NULL) continue;
        size_t n = fread(text, 1, sizeof text, file);
        fclose(file);
        struct buf out = {0};
        assert_int_equal(notice_expression(&out, text, n), GLASS_OK);
        const char *got = out.len ? out.data : "";
        if (strcmp(got, rows[i][1]) != 0) fail_msg("%s: got %s", rows[i][0], got);
        buf_free(&out);
        n_read++;
    }
    if (n_read == 0) skip();
}

static void authors(void **state) {
    (void)state;
    size_t at, n;
    static const char text[] =
        "/* the copyright notice\n * Copyright (C) 1999 Ann Other <a@b> */\n";
    assert_true(notice_author(text, sizeof text - 1, &at, &n));
    assert_int_equal(n, strlen("Copyright (C) 1999 Ann Other <a@b>"));
    assert_memory_equal(text + at, "Copyright (C) 1999 Ann Other <a@b>", n);
    assert_false(notice_author("copyright law is old", 20, &at, &n));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),         cmocka_unit_test(expressions_read_back),
        cmocka_unit_test(policies),      cmocka_unit_test(own_rules),
        cmocka_unit_test(globs),         cmocka_unit_test(stanzas),
        cmocka_unit_test(no_stanzas),    cmocka_unit_test(notices),
        cmocka_unit_test(whole_texts),   cmocka_unit_test(authors),
        cmocka_unit_test(real_notices),  cmocka_unit_test(notice_before_text),
        cmocka_unit_test(stricter_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
