/* QuickJS runs a script of objects, closures, typed arrays, strings and regular expressions. */
#define NAME "quickjs"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "quickjs.h"

static const char script[] =
    "let sum = 0;\n"
    "const mix = x => { sum = (Math.imul(sum, 31) + x) | 0; };\n"
    "class Body {\n"
    "  constructor(x, v) { this.x = x; this.v = v; }\n"
    "  step(dt) { this.x += this.v * dt; if (this.x > 50 || this.x < 0) this.v = -this.v; }\n"
    "}\n"
    "function bodies() {\n"
    "  const all = [];\n"
    "  for (let i = 0; i < 20; i++) all.push(new Body(i * 2.5, i - 9.5));\n"
    "  for (let t = 0; t < 25; t++) for (const b of all) b.step(0.125);\n"
    "  return Math.floor(all.map(b => b.x).reduce((a, b) => a + b, 0) * 1000);\n"
    "}\n"
    "function sieve(n) {\n"
    "  const seen = new Uint8Array(n);\n"
    "  let count = 0;\n"
    "  for (let i = 2; i < n; i++) {\n"
    "    if (seen[i]) continue;\n"
    "    count++;\n"
    "    for (let j = i * 2; j < n; j += i) seen[j] = 1;\n"
    "  }\n"
    "  return count;\n"
    "}\n"
    "function text(n) {\n"
    "  const parts = [];\n"
    "  for (let i = 0; i < n; i++) parts.push('k' + (i * i % 53) + '=' + i);\n"
    "  const map = new Map();\n"
    "  for (const [, key, value] of parts.join('&').matchAll(/(k\\d+)=(\\d+)/g))\n"
    "    map.set(key, (map.get(key) || 0) + Number(value));\n"
    "  const again = JSON.parse(JSON.stringify([...map]));\n"
    "  again.sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));\n"
    "  return again.length * 1000 + again[0][1] % 1000;\n"
    "}\n"
    "function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }\n"
    "for (let round = 0; round < scale; round++) {\n"
    "  mix(bodies()); mix(sieve(1500 + round % 5)); mix(text(60)); mix(fib(12));\n"
    "}\n"
    "sum";

static u64 library(u32 scale) {
    JSRuntime *runtime = JS_NewRuntime();
    REQUIRE(runtime);
    JS_SetMaxStackSize(runtime, 0);
    JSContext *context = JS_NewContext(runtime);
    REQUIRE(context);
    JSValue global = JS_GetGlobalObject(context);
    JS_SetPropertyStr(context, global, "scale", JS_NewInt32(context, (i32)scale));
    JSValue result = JS_Eval(context, script, sizeof script - 1, "script", JS_EVAL_TYPE_GLOBAL);
    i32 sum = 0;
    REQUIRE(!JS_IsException(result) && JS_ToInt32(context, &sum, result) == 0);
    JS_FreeValue(context, result);
    JS_FreeValue(context, global);
    JS_FreeContext(context);
    JS_FreeRuntime(runtime);
    return (u32)sum;
}
