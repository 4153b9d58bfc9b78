-- The generic cell rate algorithm (ITU-T I.371, annex A) by the virtual scheduling of B. Leach, "Rate Limiting, Cells,
-- and GCRA" (https://brandur.org/rate-limiting): what is kept of a caller is when it has a whole burst left again.
-- KEYS[1]: the caller. ARGV: the time that the amount takes to come back, and that of a whole burst, in microseconds.
-- Returns whether it is allowed, and in how many microseconds a whole burst is left.
local time = redis.call('TIME')
-- Since 2026, which leaves a number of Lua room for fractions of a microsecond.
local now = (time[1] - 1767225600) * 1000000 + time[2]
local increment, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local whole = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local after = whole + increment
-- What such numbers are rounded by is less than a microsecond.
if after - now > burst + 1 then
    return { 0, whole - now }
end
redis.call('SET', KEYS[1], string.format('%.3f', after), 'PX', math.ceil((after - now) / 1000))
return { 1, after - now }
