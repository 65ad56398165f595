-- Shared by the workloads. Every script is called by `basalt-bench run`, which sets the environment variables read here.

local bench = {}

-- Requests made up before the clock starts, so that the load generator spends its time on sending.
local POOL = 4000

local thread_number = 0

-- Runs once a thread, in wrk's main state: gives each thread a seed of its own.
function setup(thread)
  thread_number = thread_number + 1
  thread:set("bench_thread", thread_number)
end

local function headers(extra)
  local all = {
    ["apikey"] = os.getenv("BENCH_APIKEY"),
    ["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN"),
    ["Accept"] = "application/json",
  }
  for name, value in pairs(extra or {}) do
    all[name] = value
  end
  return all
end

-- A GET of `path`.
function bench.get(path)
  return wrk.format("GET", path, headers())
end

-- An insert that returns its row. Authors from 10,001 on have no posts at first, so that the reads' answers stay the same.
function bench.insert()
  local author = math.random(10001, 100000)
  local text = {}
  for word = 1, 28 do
    text[word] = string.format("%06x", math.random(0, 0xffffff))
  end
  local body = string.format(
    '{"author_id":%d,"title":"Title %d","body":"%s","published":true}',
    author, math.random(1, 1000000), table.concat(text, " "))
  return wrk.format("POST", "/rest/v1/posts", headers({
    ["Content-Type"] = "application/json",
    ["Prefer"] = "return=representation",
  }), body)
end

-- Makes `request` answer, in turn, the requests that `make(number)` formatted.
function bench.serve(make)
  function init()
    math.randomseed(tonumber(os.getenv("BENCH_SEED")) * 1000 + bench_thread)
    local pool = {}
    for number = 1, POOL do
      pool[number] = make(number)
    end
    local at = 0
    function request()
      at = at % POOL + 1
      return pool[at]
    end
  end
end

-- Runs once at the end: one line that the bench reads. Latencies are in microseconds.
function done(summary, latency)
  io.write(string.format(
    "BENCH requests=%d duration_us=%d non_2xx=%d socket_errors=%d bytes=%d p50_us=%d p99_us=%d\n",
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.bytes, latency:percentile(50), latency:percentile(99)))
end

return bench
