-- wrk -s soak.lua URL -- REQUEST-FILE… -- ANSWER-FILE…: posts the files' texts in turn; every answer has to be one of the
-- answers, byte for byte. Prints what happened as one line of JSON.

local requests, answers, turn = {}, {}, 0
local threads = {}
wrong = 0

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  wrk.headers["content-type"] = "application/json"
  wrk.headers["accept"] = "application/json"
  local are_answers = false
  for _, argument in ipairs(args) do
    if argument == "--" then
      are_answers = true
    elseif are_answers then
      answers[read(argument)] = true
    else
      table.insert(requests, wrk.format("POST", nil, nil, read(argument)))
    end
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function response(status, _, body)
  if status ~= 200 or not answers[body] then
    wrong = wrong + 1
  end
end

function done(summary, latency)
  local errors, wrongs = summary.errors, 0
  for _, thread in ipairs(threads) do
    wrongs = wrongs + thread:get("wrong")
  end
  print(string.format(
    '{"requests":%d,"bytes":%d,"microseconds":%d,"p50":%d,"p99":%d,"failed":%d}',
    summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.timeout + wrongs))
end
