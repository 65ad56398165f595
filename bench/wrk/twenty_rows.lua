-- The twenty posts of one author, newest first.
local bench = dofile(os.getenv("BENCH_WRK") .. "/common.lua")

bench.serve(function()
  return bench.get("/rest/v1/posts?author_id=eq." .. math.random(1, 10000) .. "&select=*&order=created_at.desc&limit=20")
end)
