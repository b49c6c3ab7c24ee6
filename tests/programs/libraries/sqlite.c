/* SQLite with a database in memory: rows inserted through a prepared statement, an index, joins,
 * groups, updates, patterns. */
#define NAME "sqlite"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "sqlite3.h"

/* SQLite asks its system interface for random bytes and the time: both are the same each time. */
static int randomness(sqlite3_vfs *vfs, int size, char *out) {
    (void)vfs;
    memset(out, 7, (size_t)size);
    return size;
}

static int current_time(sqlite3_vfs *vfs, double *days) {
    (void)vfs;
    *days = 2460000.5;
    return SQLITE_OK;
}

static int cannot_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                       int *out) {
    (void)vfs, (void)name, (void)file, (void)flags, (void)out;
    return SQLITE_CANTOPEN;
}

int sqlite3_os_init(void) {
    static sqlite3_vfs vfs = {.iVersion = 1,
                              .szOsFile = sizeof(sqlite3_file),
                              .mxPathname = 64,
                              .zName = "none",
                              .xOpen = cannot_open,
                              .xRandomness = randomness,
                              .xCurrentTime = current_time};
    return sqlite3_vfs_register(&vfs, 1);
}

int sqlite3_os_end(void) { return SQLITE_OK; }

static sqlite3 *database;

static void execute(const char *sql) {
    REQUIRE(sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK);
}

/* Runs a query and mixes all that it returns. */
static u64 query(u64 sum, const char *sql) {
    sqlite3_stmt *statement;
    REQUIRE(sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK);
    int state;
    while ((state = sqlite3_step(statement)) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            const unsigned char *text = sqlite3_column_text(statement, i);
            sum = mix_bytes(sum, text, (size_t)sqlite3_column_bytes(statement, i));
        }
    REQUIRE(state == SQLITE_DONE);
    sqlite3_finalize(statement);
    return sum;
}

static void insert(u32 rows) {
    sqlite3_stmt *statement;
    const char *sql = "INSERT INTO item(name, kind, price) VALUES (?, ?, ?)";
    REQUIRE(sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK);
    execute("BEGIN");
    for (u32 row = 0; row < rows; row++) {
        char name[32];
        u64 random = rng();
        size_t length = word(name, (u32)random & 0xffff);
        sqlite3_bind_text(statement, 1, name, (int)length, SQLITE_STATIC);
        sqlite3_bind_int(statement, 2, (int)(random >> 20) & 31);
        sqlite3_bind_double(statement, 3, (double)((random >> 32) & 0xffff) / 16);
        REQUIRE(sqlite3_step(statement) == SQLITE_DONE);
        sqlite3_reset(statement);
    }
    execute("COMMIT");
    sqlite3_finalize(statement);
}

static u64 round_of_work(u64 sum) {
    REQUIRE(sqlite3_open(":memory:", &database) == SQLITE_OK);
    execute("CREATE TABLE kind(id INTEGER PRIMARY KEY, title TEXT);"
            "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, kind INTEGER, price REAL);"
            "WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n WHERE i < 31)"
            "  INSERT INTO kind SELECT i, 'kind ' || i * i FROM n;");
    insert(1000);
    execute("CREATE INDEX by_name ON item(name)");
    sum = query(sum, "SELECT title, count(*), sum(price), max(name) FROM item JOIN kind"
                     "  ON kind.id = item.kind GROUP BY title ORDER BY title");
    sum = query(sum, "SELECT id, name FROM item WHERE name LIKE '%tion%' AND price > 1000"
                     "  ORDER BY price DESC, id LIMIT 50");
    sum = query(sum, "SELECT a.name, count(*) FROM item a JOIN item b ON a.name = b.name"
                     "  AND a.id < b.id GROUP BY a.name ORDER BY 2 DESC, 1 LIMIT 20");
    execute("UPDATE item SET price = price * 1.5 WHERE kind % 3 = 0;"
            "DELETE FROM item WHERE name < 'c'");
    sum = query(sum, "SELECT count(*), round(sum(price), 3), upper(min(name)) FROM item");
    REQUIRE(sqlite3_close(database) == SQLITE_OK);
    return sum;
}

static u64 library(u32 scale) {
    u64 sum = 0;
    for (u32 round = 0; round < scale; round++) sum = round_of_work(sum);
    return sum;
}
