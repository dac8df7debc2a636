/*
 * Part of policyload: what is measured, of the answers and of the server's processes, and how it is printed.
 * Included once, by policyload.c, behind policyload_requests.h.
 */
typedef struct {
    double cpu_s;
    long rss_kib;
} Usage;

static struct {
    uint32_t *ns; /* latencies; the largest that fits is 4.29 s */
    size_t count, room;
    uint64_t reconnects;
    struct { char word[WORD_BYTES]; uint64_t count; } replies[WORDS];
} seen;

static Usage usage_of_server(void)
{
    Usage all = {0};

    for (int i = 0; i < set.pid_count; i++) {
        char path[48], text[1024] = "";
        unsigned long user = 0, kernel = 0;
        long pages = 0;

        snprintf(path, sizeof path, "/proc/%d/stat", set.pids[i]);
        FILE *file = fopen(path, "r");
        if (!file)
            continue; /* a worker that has ended */
        size_t size = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[size] = 0;
        char *after_name = strrchr(text, ')');
        if (after_name) /* fields 14, 15 and 24 of proc(5) */
            sscanf(after_name + 1,
                   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %ld",
                   &user, &kernel, &pages);
        all.cpu_s += (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
        all.rss_kib += pages * (sysconf(_SC_PAGESIZE) / 1024);
    }
    return all;
}

static void count_word(const char *word, size_t size)
{
    char kept[WORD_BYTES] = "";
    int i = 0;

    for (size_t k = 0; k < size && k < sizeof kept - 1; k++)
        kept[k] = word[k] >= ' ' && word[k] != '"' && word[k] != '\\' && word[k] < 127 ? word[k] : '?';
    while (i < WORDS - 1 && seen.replies[i].count && strcmp(seen.replies[i].word, kept))
        i++;
    if (!seen.replies[i].count)
        strcpy(seen.replies[i].word, i < WORDS - 1 ? kept : "others");
    seen.replies[i].count++;
}

static void count_latency(uint64_t ns)
{
    if (seen.count == seen.room) {
        seen.room = seen.room ? seen.room * 2 : 1 << 20;
        seen.ns = realloc(seen.ns, seen.room * sizeof *seen.ns);
        if (!seen.ns)
            err(2, "memory");
    }
    seen.ns[seen.count++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static void forget_warm_up(void)
{
    seen.count = 0;
    seen.reconnects = 0;
    memset(seen.replies, 0, sizeof seen.replies);
}

static int by_size(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

    return (a > b) - (a < b);
}

static double percentile_us(double part)
{
    size_t at = (size_t)(part * (double)seen.count);

    return seen.count ? seen.ns[at < seen.count ? at : seen.count - 1] / 1000.0 : 0;
}

static void print_result(double seconds, Usage before, Usage after, bool stalled)
{
    qsort(seen.ns, seen.count, sizeof *seen.ns, by_size);
    printf("{\"requests\": %zu, \"seconds\": %.4f, \"per_second\": %.1f, ", seen.count, seconds,
           (double)seen.count / seconds);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, ", percentile_us(0.5), percentile_us(0.99),
           percentile_us(1));
    printf("\"cpu_us\": %.3f, \"rss_before_kib\": %ld, \"rss_after_kib\": %ld, ",
           seen.count ? (after.cpu_s - before.cpu_s) * 1e6 / (double)seen.count : 0, before.rss_kib, after.rss_kib);
    printf("\"reconnects\": %llu, \"stalled\": %s, \"replies\": {", (unsigned long long)seen.reconnects,
           stalled ? "true" : "false");
    for (int i = 0; i < WORDS && seen.replies[i].count; i++)
        printf("%s\"%s\": %llu", i ? ", " : "", seen.replies[i].word, (unsigned long long)seen.replies[i].count);
    printf("}}\n");
}
