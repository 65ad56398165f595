-- A page of twenty posts, each with its author embedded.
local bench = dofile(os.getenv("BENCH_WRK") .. "/common.lua")

bench.serve(function()
  return bench.get("/rest/v1/posts?id=gt." .. math.random(0, 199980) .. "&select=*,author:users(*)&order=id.asc&limit=20")
end)
