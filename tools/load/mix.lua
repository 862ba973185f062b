-- For wrk: sends what a client may send, most of it wrong. Takes the tokens in the file TOKENS, and says how often which status
-- came back. wrk runs in the root of the repository.
dofile("tools/load/tokens.lua")
local with_token = request
local number = 0

local odd = {"%00", "%F0%9F%92%A9", "..%2f..%2f", "<script>", "'%20OR%201=1", "%E2%80%8B", "a%ff", "{{7*7}}", string.rep("a", 4000)}

local function send(method, path, headers, body)
   headers.Authorization = headers.Authorization or with_token():match("Authorization: ([^\r\n]*)")
   return wrk.format(method, path, headers, body)
end

local kinds = {
   function() return send("GET", "/tokens", {}) end,
   function() return send("GET", "/tokens?cursor=x" .. number, {}) end,
   function() return send("GET", "/api/user/" .. number, {}) end,
   function() return send("GET", "/api/user/1", {Authorization = "Bearer 1." .. string.format("%08x.", number) .. string.rep("A", 43)}) end,
   function() return send("GET", "/api/user/1", {Authorization = "Basic " .. string.rep("A", number % 5000)}) end,
   function() return send("GET", "/" .. odd[1 + number % #odd] .. "/" .. number, {Cookie = "a=" .. number}) end,
   function() return send("GET", "/profile/developer", {Accept = "text/html"}) end,
   function() return send("POST", "/tokens", {["Content-Type"] = "application/json"}, '{"name":' .. number .. "}") end,
   function() return send("POST", "/oauth/introspect", {["Content-Type"] = "application/x-www-form-urlencoded"}, "token=" .. odd[1 + number % #odd]) end,
   function() return send("DELETE", "/tokens/1." .. string.rep("A", 22) .. "?reason=" .. number, {}) end,
}

function request()
   number = number + 1
   -- Few are issued, because each is kept until it is purged.
   if number % 100 == 0 then
      return send("POST", "/tokens", {["Content-Type"] = "application/json"}, '{"name":"n' .. number .. '","expires_in":1}')
   end
   return kinds[1 + number % #kinds]()
end
