/* Lua runs a script of tables, closures, strings and numbers. */
#define NAME "lua"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

static const char script[] =
    "local scale = ...\n"
    "local sum = 0\n"
    "local function mix(x) sum = (sum * 31 + x) % 4294967291 end\n"
    "local Point = {}\n"
    "Point.__index = Point\n"
    "function Point.new(x, y) return setmetatable({x = x, y = y}, Point) end\n"
    "function Point:add(other) return Point.new(self.x + other.x, self.y + other.y) end\n"
    "local function queens(n)\n"
    "  local count, columns, up, down = 0, {}, {}, {}\n"
    "  local function place(row)\n"
    "    if row > n then count = count + 1 return end\n"
    "    for c = 1, n do\n"
    "      if not (columns[c] or up[row + c] or down[row - c]) then\n"
    "        columns[c], up[row + c], down[row - c] = true, true, true\n"
    "        place(row + 1)\n"
    "        columns[c], up[row + c], down[row - c] = nil, nil, nil\n"
    "      end\n"
    "    end\n"
    "  end\n"
    "  place(1)\n"
    "  return count\n"
    "end\n"
    "local function words()\n"
    "  local parts, counts = {}, {}\n"
    "  for i = 1, 300 do parts[#parts + 1] = string.format('w%d', i * i % 37) end\n"
    "  local text = table.concat(parts, ' ')\n"
    "  for w in text:gmatch('%a%d+') do counts[w] = (counts[w] or 0) + 1 end\n"
    "  local keys = {}\n"
    "  for k in pairs(counts) do keys[#keys + 1] = k end\n"
    "  table.sort(keys, function(a, b)\n"
    "    if counts[a] ~= counts[b] then return counts[a] > counts[b] end\n"
    "    return a < b\n"
    "  end)\n"
    "  return #keys * 1000 + #keys[1] + counts[keys[1]]\n"
    "end\n"
    "local function spectral(n)\n"
    "  local u, total = {}, 0.0\n"
    "  for i = 1, n do u[i] = 1.0 end\n"
    "  for i = 1, n do\n"
    "    local a = 0.0\n"
    "    for j = 1, n do a = a + u[j] / ((i + j - 2) * (i + j - 1) / 2 + i) end\n"
    "    total = total + a\n"
    "  end\n"
    "  return math.floor(total * 1e6)\n"
    "end\n"
    "for round = 1, scale do\n"
    "  local p = Point.new(0, 0)\n"
    "  for i = 1, 500 do p = p:add(Point.new(i, i % 7)) end\n"
    "  mix(p.x + p.y)\n"
    "  mix(queens(5))\n"
    "  mix(words())\n"
    "  mix(spectral(40 + round % 3))\n"
    "end\n"
    "return sum\n";

static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base},
                                     {LUA_TABLIBNAME, luaopen_table},
                                     {LUA_STRLIBNAME, luaopen_string},
                                     {LUA_MATHLIBNAME, luaopen_math},
                                     {NULL, NULL}};

static u64 library(u32 scale) {
    lua_State *lua = luaL_newstate();
    REQUIRE(lua);
    for (const luaL_Reg *lib = libraries; lib->name; lib++) {
        luaL_requiref(lua, lib->name, lib->func, 1);
        lua_pop(lua, 1);
    }
    REQUIRE(luaL_loadbuffer(lua, script, sizeof script - 1, "script") == LUA_OK);
    lua_pushinteger(lua, scale);
    lua_call(lua, 1, 1);
    u64 sum = (u64)lua_tointeger(lua, -1);
    lua_close(lua);
    return sum;
}
