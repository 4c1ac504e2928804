-- Posts the seed envelope, each with an application id of its own. Arguments: the envelope's file, a
-- number that differs from run to run, so that no application is met twice.
local before, after, run, thread, count

function setup(t)
  thread = (thread or 0) + 1
  t:set("number", thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local text = file:read("*a")
  file:close()
  run, count = tonumber(args[2]), 0
  -- Everything but the id is made once: the generator shares the machine with what it measures.
  local id = string.format("R%04dT%dN%010d", run, number, 0)
  local headers = { ["Content-Type"] = "text/xml; charset=utf-8", ["SOAPAction"] = "\"\"" }
  local whole = wrk.format("POST", nil, headers, (text:gsub("WAPPLIC12345", id)))
  local from, to = whole:find(id, 1, true)
  before, after = whole:sub(1, from - 1) .. id:sub(1, -11), whole:sub(to + 1)
end

function request()
  count = count + 1
  -- Scattered over the ids' range, as real ones are; an odd factor keeps them distinct.
  local place = ((run * 16 + number) * 4194304 + count) * 1664525 % 4294967296
  return before .. string.format("%010d", place) .. after
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("result %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
