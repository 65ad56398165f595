-- One row by its id, among as many as there are.
local bench = dofile(os.getenv("BENCH_WRK") .. "/common.lua")
local rows = tonumber(os.getenv("BENCH_ROWS"))

bench.serve(function()
  return bench.get(string.format("/rest/v1/users?id=eq.%d&select=*", math.random(1, rows)))
end)
