-- One durable insert that returns the row.
local bench = dofile(os.getenv("BENCH_WRK") .. "/common.lua")

bench.serve(bench.insert)
