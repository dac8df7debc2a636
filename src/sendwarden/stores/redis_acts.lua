-- What was set by hand at any of several processes; see sendwarden.service.sharing for what it means.
-- KEYS: acts by name, names in the order in which they came, names by when they end, {place, number, version}.
-- ARGV: a name for this place if it has none yet, the place and the last number that the asker knows, how many acts he
-- takes (0: none), then five for each act that he brings: name, mark, version ("0": it has none yet), end, body.
-- An act is {mark, version, end, body, marks of those before it}. The later version stands; whoever brings an act
-- again that came once changes nothing, also when another has taken its place. Numbers travel as text, whole.
local MARKS, ENDED, MOST = 16, 100, 2 ^ 53
local acts, order, ends, about = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]

local function whole(number)
    return string.format('%.0f', number)
end

-- nil: it is no number that can be counted up from; beyond 2^53 one more is the same number.
local function counted(text)
    local found = tonumber(text or 0)
    return found and found >= 0 and found < MOST and found % 1 == 0 and found or nil
end

-- nil: there is none, or what stands there is none.
local function read(name)
    local raw = redis.call('HGET', acts, name)
    local good, act = pcall(cmsgpack.unpack, raw or '')
    if not (raw and good and type(act) == 'table' and type(act[5]) == 'table') then return nil end
    for i = 1, 4 do
        if type(act[i]) ~= 'string' then return nil end
    end
    return counted(act[2]) and act
end

-- Keys that do not fit each other (one was evicted, or somebody wrote there) are begun anew: then all tell again.
local sizes = {redis.pcall('HLEN', acts), redis.pcall('ZCARD', order), redis.pcall('ZCARD', ends)}
local kept = redis.pcall('HLEN', about)
local fit = type(kept) == 'number' and type(sizes[1]) == 'number' and sizes[1] == sizes[2] and sizes[2] == sizes[3]
local number, version, last
if fit then
    number, version = counted(redis.call('HGET', about, 'number')), counted(redis.call('HGET', about, 'version'))
    last = counted(redis.call('ZREVRANGE', order, 0, 0, 'WITHSCORES')[2])
end
if not (number and version and last) then
    redis.call('DEL', acts, order, ends, about)
    number, version, last = 0, 0, 0
end
number = math.max(number, last)

local place = redis.call('HGET', about, 'place')
if not place then
    place = ARGV[1]
    redis.call('HSET', about, 'place', place)
end
local since = tonumber(ARGV[3])
if ARGV[2] ~= place or since > number then since = 0 end

for _, name in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', micros / 1000000, 'LIMIT', 0, ENDED)) do
    redis.call('HDEL', acts, name)
    redis.call('ZREM', order, name)
    redis.call('ZREM', ends, name)
end

for i = 5, #ARGV, 5 do
    local name, mark, its, till, body = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4]
    local there = read(name)
    local before = there and {there[1], unpack(there[5], 1, MARKS - 1)} or {}
    local known = there and its > 0 and tonumber(there[2]) >= its
    for _, one in ipairs(before) do
        known = known or one == mark
    end
    if not known then
        if its == 0 then its = math.max(version + 1, micros) end
        version = math.max(version, its)
        number = number + 1
        redis.call('HSET', acts, name, cmsgpack.pack({mark, whole(its), till, body, before}))
        redis.call('ZADD', order, whole(number), name)
        redis.call('ZADD', ends, till, name)
        redis.call('HSET', about, 'number', whole(number), 'version', whole(version))
    end
end

local came = redis.call('ZRANGEBYSCORE', order, '(' .. whole(since), '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
local found, upto = {}, since
for i = 1, #came, 2 do
    local act = read(came[i])
    upto = tonumber(came[i + 1])
    if act then found[#found + 1] = {came[i], act[1], act[2], act[3], act[4]} end
end
return {place, whole(upto), #came / 2 >= tonumber(ARGV[4]) and 1 or 0, found}
