-- One row by its id, among 100,000.
local bench = dofile(os.getenv("BENCH_WRK") .. "/common.lua")

bench.serve(function()
  return bench.get("/rest/v1/users?id=eq." .. math.random(1, 100000) .. "&select=*")
end)
