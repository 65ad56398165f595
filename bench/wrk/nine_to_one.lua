-- Nine reads by id to one durable insert.
local bench = dofile(os.getenv("BENCH_WRK") .. "/common.lua")

bench.serve(function(number)
  if number % 10 == 0 then
    return bench.insert()
  end
  return bench.get("/rest/v1/users?id=eq." .. math.random(1, 100000) .. "&select=*")
end)
