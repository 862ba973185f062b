-- For wrk: sends each of the tokens in the file TOKENS in turn, and says how often which status came back.
local tokens, place, threads = {}, 0, {}
counts = {}

function setup(thread)
   table.insert(threads, thread)
end

function init()
   for line in io.lines(os.getenv("TOKENS")) do
      table.insert(tokens, line)
   end
end

function request()
   place = place % #tokens + 1
   return wrk.format("GET", nil, {Authorization = "Bearer " .. tokens[place]})
end

function response(status)
   counts[status] = (counts[status] or 0) + 1
end

function done(summary, latency)
   local errors = summary.errors
   for _, kind in ipairs({"connect", "read", "write", "timeout"}) do
      print(string.format("error %s %d", kind, errors[kind]))
   end
   for _, thread in ipairs(threads) do
      for status, count in pairs(thread:get("counts")) do
         print(string.format("status %d %d", status, count))
      end
   end
   print(string.format("requests %d %f", summary.requests, summary.duration / 1e6))
   for _, percentile in ipairs({50, 99}) do
      print(string.format("p%d %f", percentile, latency:percentile(percentile) / 1000))
   end
end
