/* test_store.c - names of models: on a hub, in the caches of other programs, on this
 * machine. */
#include "base/path.h"
#include "store/hub.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define HUB "https://hub.example"

static void same_name(const char *text, const char *user, const char *model,
                      const char *revision, const char *file, const char *tag) {
    struct hub_name n;
    if (hub_name_parse(&n, text, HUB) != GLASS_OK) fail_msg("%s: %s", text, glass_error());
    assert_string_equal(n.url, "");
    assert_string_equal(n.user, user);
    assert_string_equal(n.model, model);
    assert_string_equal(n.revision, revision);
    assert_string_equal(n.file, file);
    assert_string_equal(n.tag, tag);
    hub_name_clear(&n);
}

static void names(void **state) {
    (void)state;
    same_name("u/m", "u", "m", "", "", "");
    same_name("u/m/", "u", "m", "", "", "");
    same_name("u/m:Q4_K_M", "u", "m", "", "", "Q4_K_M");
    same_name("u/m/f.gguf", "u", "m", "", "f.gguf", "");
    same_name("u/m/a b/f.gguf", "u", "m", "", "a b/f.gguf", "");
    same_name("u/m/tree/f.gguf", "u", "m", "", "tree/f.gguf",
              ""); /* no address: a folder */
    same_name("hf.co/u/m:Q8_0", "u", "m", "", "", "Q8_0");
    same_name("hf://u/m", "u", "m", "", "", "");
    same_name("https://huggingface.co/u/m", "u", "m", "", "", "");
    same_name("HTTPS://HF.co/u/m?x=1#y", "u", "m", "", "", "");
    same_name("https://huggingface.co/u/m/tree/dev", "u", "m", "dev", "", "");
    same_name("https://huggingface.co/u/m/tree/dev/folder", "u", "m", "dev", "", "");
    same_name("https://huggingface.co/u/m/blob/main/a%20b/f.gguf", "u", "m", "main",
              "a b/f.gguf", "");
    same_name("https://huggingface.co/u/m/resolve/refs%2Fpr%2F1/f.gguf?download=true", "u",
              "m", "refs/pr/1", "f.gguf", "");
    same_name(HUB "/u/m/blob/main/f.gguf", "u", "m", "main", "f.gguf", "");
    struct hub_name n;
    assert_int_equal(hub_name_parse(&n, "http://other.example/u/m/f.gguf", HUB), GLASS_OK);
    assert_string_equal(n.url, "http://other.example/u/m/f.gguf");
    hub_name_clear(&n);
}

static void bad_names(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "m",
                                      "/",
                                      "u/",
                                      "/m",
                                      "u//m",
                                      "u/m:",
                                      "u/m:Q4/f.gguf",
                                      "../m",
                                      "u/..",
                                      "u/.m",
                                      "-u/m",
                                      "u/m/../f.gguf",
                                      "u/m//f.gguf",
                                      "u/m/.f.gguf",
                                      "u/m/a/",
                                      "u m/n",
                                      "u/m\n",
                                      "u/m/f\x1b.gguf",
                                      "u/m/a\\b.gguf",
                                      "ftp://h/f.gguf",
                                      "file:///etc/passwd",
                                      "http://",
                                      "://x",
                                      "hf.co/u",
                                      "https://hf.co/u/m/blob/main",
                                      "https://hf.co/u/m/resolve//f.gguf",
                                      "https://hf.co/u/m/resolve/main/%2e%2e/f.gguf",
                                      "https://hf.co/u/m/resolve/main/f%00.gguf%0a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct hub_name n;
        if (hub_name_parse(&n, bad[i], HUB) != GLASS_USAGE) fail_msg("taken: %s", bad[i]);
        assert_null(n.user);
    }
}

static void paths(void **state) {
    (void)state;
    char longest[1200];
    assert_true(hub_path_is_safe("a.gguf"));
    assert_true(hub_path_is_safe("a/b/c-00001-of-00002.gguf"));
    assert_true(hub_path_is_safe("gr\xc3\xbc\xc3\x9f.gguf"));
    static const char *const bad[] = {"",       "/a",   "a/",    "a//b",  ".",         "..",
                                      "a/../b", "./a",  ".a",    "a/.b",  "-a",        "~a",
                                      "a\\b",   "a\nb", "a\x7f", "a\xff", "a\xc2\x9bz"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (hub_path_is_safe(bad[i])) fail_msg("taken: %s", bad[i]);
    memset(longest, 'a', sizeof longest);
    longest[200] = '\0';
    assert_true(hub_path_is_safe(longest));
    longest[200] = 'a';
    longest[201] = '\0';
    assert_false(hub_path_is_safe(longest));
}

static void tags(void **state) {
    (void)state;
    assert_true(hub_has_tag("m-Q4_K_M.gguf", "q4_k_m"));
    assert_true(hub_has_tag("Q4_K_M/m-00001-of-00002.gguf", "Q4_K_M"));
    assert_true(hub_has_tag("m-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"));
    assert_false(hub_has_tag("m-Q4_K_M.gguf", "Q4_K"));
    assert_false(hub_has_tag("m-IQ4_XS.gguf", "Q4_XS"));
    assert_false(hub_has_tag("m-BF16.gguf", "F16"));
    assert_false(hub_has_tag("m.gguf", ""));
    size_t stem;
    int part, n_parts;
    assert_true(hub_is_part("m-00002-of-00003.gguf", &stem, &part, &n_parts));
    assert_int_equal(stem, 1);
    assert_int_equal(part, 2);
    assert_int_equal(n_parts, 3);
    assert_false(hub_is_part("m-00004-of-00003.gguf", &stem, &part, &n_parts));
    assert_false(hub_is_part("m-00000-of-00003.gguf", &stem, &part, &n_parts));
    assert_false(hub_is_part("m-0001-of-0003.gguf", &stem, &part, &n_parts));
    assert_false(hub_is_part("gguf", &stem, &part, &n_parts));
}

static void choice(void **state) {
    (void)state;
    static char a[] = "m-00001-of-00002.gguf", b[] = "m-00002-of-00002.gguf",
                c[] = "m-Q8_0.gguf", d[] = "mmproj-Q4_K_M.gguf";
    struct hub_file files[] = {{a, 1, ""}, {b, 1, ""}, {c, 1, ""}, {d, 1, ""}};
    struct hub_listing l = {files, 4, 0};
    static char empty[] = "", q8[] = "Q8_0", file[] = "m-00002-of-00002.gguf";
    struct hub_name n = {empty, empty, empty, empty, empty, empty};
    int64_t *chosen, count;
    assert_int_equal(hub_choose(&chosen, &count, &l, &n), GLASS_OK); /* not the projector */
    assert_int_equal(count, 1);
    assert_int_equal(chosen[0], 2);
    mem_free(chosen);
    n.tag = q8;
    assert_int_equal(hub_choose(&chosen, &count, &l, &n), GLASS_OK);
    assert_int_equal(chosen[0], 2);
    mem_free(chosen);
    n.tag = empty;
    n.file = file; /* a later part means the whole */
    assert_int_equal(hub_choose(&chosen, &count, &l, &n), GLASS_OK);
    assert_int_equal(count, 2);
    assert_int_equal(chosen[0], 0);
    assert_int_equal(chosen[1], 1);
    mem_free(chosen);
    files[0].n_bytes = 0;
    static char gone[] = "x-00001-of-00002.gguf";
    files[0].path = gone;
    assert_int_equal(hub_choose(&chosen, &count, &l, &n), GLASS_BAD_INPUT);
    assert_null(chosen);
}

static void origins(void **state) {
    (void)state;
    assert_true(http_same_origin("https://a.b/x", "https://A.B:443/y"));
    assert_false(http_same_origin("https://a.b", "http://a.b"));
    assert_false(http_same_origin("https://a.b", "https://a.b:444"));
    assert_false(http_same_origin("https://a.b", "https://a.b.c"));
    assert_false(http_same_origin("https://a.b@c", "https://a.b"));
    assert_true(http_is_private("https://a.b"));
    assert_true(http_is_private("http://127.0.0.1:80/"));
    assert_false(http_is_private("http://a.b"));
    assert_false(http_is_private("http://127.0.0.1.evil.example/"));
    char *text;
    assert_int_equal(http_without_secrets(&text, "https://u:p@a.b/x?y#z"), GLASS_OK);
    assert_string_equal(text, "https://a.b/x?y");
    mem_free(text);
}

/* --- the folders of this machine --- */

static char home[64];

static void put(const char *path, const char *bytes) {
    char full[600];
    snprintf(full, sizeof full, "%s/%s", home, path);
    char *slash = strrchr(full, '/');
    *slash = '\0';
    assert_int_equal(path_make(full), GLASS_OK);
    *slash = '/';
    assert_int_equal(path_write_whole(full, bytes, strlen(bytes)), GLASS_OK);
}

static int set_up(void **state) {
    (void)state;
    static const char *const unset[] = {
        "GLASS_HOME",   "XDG_DATA_HOME",         "XDG_CACHE_HOME", "HF_HOME",
        "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "LLAMA_CACHE",    "OLLAMA_MODELS"};
    for (size_t i = 0; i < sizeof unset / sizeof *unset; i++) unsetenv(unset[i]);
    snprintf(home, sizeof home, "/tmp/glass-store-XXXXXX");
    if (mkdtemp(home) == NULL) return -1;
    return setenv("HOME", home, 1);
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", home);
    return system(command);
}

static void fill_folders(void) {
    put(".local/share/glass/models/Mine-135M.gguf", "12345");
    put(".local/share/glass/models/u/m/m-Q4_0.gguf", "1");
    put(".local/share/glass/models/u/m/m-Q8_0.gguf", "12");
    put(".local/share/glass/models/u/m/m-Q5_0.gguf.part", "1");
    put(".local/share/glass/models/u/big/b-00001-of-00002.gguf", "123");
    put(".local/share/glass/models/u/big/b-00002-of-00002.gguf", "4567");
    put(".local/share/glass/models/notes.txt", "1");
    put(".cache/huggingface/hub/models--org--net/snapshots/aaaa/net.Q4_K_M.gguf", "1");
    put(".cache/huggingface/hub/models--org--net/snapshots/bbbb/net.Q4_K_M.gguf", "1");
    put(".cache/huggingface/hub/models--org--net/snapshots/bbbb/sub/net.Q8_0.gguf", "1");
    put(".cache/huggingface/hub/models--org--net/blobs/cccc", "1");
    put(".cache/llama.cpp/org_net_net-f16.gguf", "1");
    put(".ollama/models/manifests/registry.ollama.ai/library/tiny/latest",
        "{\"layers\":[{\"mediaType\":\"application/vnd.ollama.image.license\","
        "\"digest\":\"sha256:00\"},{\"mediaType\":\"application/vnd.ollama.image.model\","
        "\"digest\":\"sha256:abcd\"}]}");
    put(".ollama/models/manifests/hf.co/o/n/Q4_0",
        "{\"layers\":[{\"mediaType\":\"application/vnd.ollama.image.model\","
        "\"digest\":\"sha256:abcd\"}]}");
    put(".ollama/models/manifests/registry.ollama.ai/library/evil/latest",
        "{\"layers\":[{\"mediaType\":\"application/vnd.ollama.image.model\","
        "\"digest\":\"sha256:../../../.local/share/glass/models/notes.txt\"}]}");
    put(".ollama/models/manifests/registry.ollama.ai/library/broken/latest", "{");
    put(".ollama/models/blobs/sha256-abcd", "123456");
}

static void listing(void **state) {
    (void)state;
    static const struct {
        const char *name, *place;
        int64_t n_bytes;
    } wanted[] = {{"Mine-135M", "glass", 5},
                  {"u/big/b-00001-of-00002", "glass", 7},
                  {"u/m/m-Q4_0", "glass", 1},
                  {"u/m/m-Q8_0", "glass", 2},
                  {"org/net:net.Q4_K_M", "huggingface", 1},
                  {"org/net:net.Q8_0", "huggingface", 1},
                  {"org_net_net-f16", "llama.cpp", 1},
                  {"hf.co/o/n:Q4_0", "ollama", 6},
                  {"tiny:latest", "ollama", 6}};
    struct store_listing l;
    assert_int_equal(store_list(&l), GLASS_OK);
    assert_int_equal(l.n, 0);
    store_listing_clear(&l);
    fill_folders();
    assert_int_equal(store_list(&l), GLASS_OK);
    assert_int_equal(l.n, sizeof wanted / sizeof *wanted);
    for (int64_t i = 0; i < l.n; i++) {
        assert_string_equal(l.entries[i].name, wanted[i].name);
        assert_string_equal(l.entries[i].place, wanted[i].place);
        assert_int_equal(l.entries[i].n_bytes, wanted[i].n_bytes);
        assert_int_equal(access(l.entries[i].path, R_OK), 0);
    }
    store_listing_clear(&l);
}

/* The end of the path that a name leads to; NULL: none, or more than one. */
static void leads(const char *name, const char *end) {
    char *path;
    glass_status status = store_resolve(&path, name);
    if (end == NULL) {
        if (status != GLASS_BAD_INPUT) fail_msg("%s leads to %s", name, path);
        return;
    }
    if (status != GLASS_OK) fail_msg("%s: %s", name, glass_error());
    size_t n = strlen(path), n_end = strlen(end);
    if (n < n_end || strcmp(path + n - n_end, end) != 0)
        fail_msg("%s leads to %s", name, path);
    mem_free(path);
}

static void resolving(void **state) {
    (void)state;
    char full[200];
    leads("Mine-135M", "/Mine-135M.gguf");
    leads("mine", "/Mine-135M.gguf");
    leads("mine-135m.GGUF", "/Mine-135M.gguf");
    leads("u/m:Q8_0", "/m-Q8_0.gguf");
    leads("hf.co/u/m:q4_0", "/m-Q4_0.gguf");
    leads("https://huggingface.co/u/m:q4_0", "/m-Q4_0.gguf");
    leads("u/m/m-Q8_0.gguf", "/m-Q8_0.gguf");
    leads("m-Q8", "/m-Q8_0.gguf");
    leads("u/big", "/b-00001-of-00002.gguf");
    leads("org/net:Q4_K_M", "net.Q4_K_M.gguf");
    leads("org/net/net.Q8_0.gguf", "sub/net.Q8_0.gguf");
    leads("org/net:Q4_K", NULL);
    leads("tiny", "/sha256-abcd");
    leads("tiny:latest", "/sha256-abcd");
    leads("u/m", NULL);
    assert_non_null(strstr(glass_error(), "u/m/m-Q4_0, u/m/m-Q8_0"));
    leads("none", NULL);
    assert_non_null(strstr(glass_error(), "Mine-135M"));
    leads("x/none", NULL);
    assert_non_null(strstr(glass_error(), "glass pull x/none"));
    leads("", NULL);
    leads("evil", NULL);
    snprintf(full, sizeof full, "%s/.cache/llama.cpp/org_net_net-f16.gguf", home);
    leads(full, "f16.gguf");
}

static void other_places(void **state) {
    (void)state;
    struct store_listing l;
    char path[200];
    snprintf(path, sizeof path, "%s/.cache/huggingface", home);
    setenv("HF_HOME", path, 1);
    setenv("HOME", "/nonexistent", 1);
    setenv("GLASS_HOME", "/nonexistent", 1);
    assert_int_equal(store_list(&l), GLASS_OK);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.entries[0].place, "huggingface");
    store_listing_clear(&l);
    setenv("HOME", home, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),       cmocka_unit_test(bad_names),
        cmocka_unit_test(paths),       cmocka_unit_test(tags),
        cmocka_unit_test(choice),      cmocka_unit_test(origins),
        cmocka_unit_test(listing),     cmocka_unit_test(resolving),
        cmocka_unit_test(other_places)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
