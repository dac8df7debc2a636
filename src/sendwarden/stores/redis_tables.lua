-- One call of a MeterMaid table that several processes share. `sendwarden.engine.meters` is the reference: the same
-- sequence of calls gets the same answers there and here, to the last bit of a number. Numbers travel as text.
-- KEYS: the table's keys in the order of their last use, what it knows of this key (throttle) or of all (others).
-- ARGV: what to do, the key, the time ("": by Redis' own clock), most keys, then what the kind of table needs.
-- A key's state begins to be forgotten by Redis when nothing of it counts any more.
local order, state = KEYS[1], KEYS[2]
local what, key, most = ARGV[1], ARGV[2], tonumber(ARGV[4])
local now = tonumber(ARGV[3])
if not now then
    local time = redis.call('TIME')
    now = time[1] + time[2] / 1000000
end
local SAMPLE, BUCKETS, PENALTY_CAP = 16, 120, 10

local function exact(number)
    return string.format('%.17g', number)
end

-- Python's // for floats.
local function floor_divided(one, other)
    local rest = math.fmod(one, other)
    local divided = (one - rest) / other
    local whole = math.floor(divided)
    return divided - whole > 0.5 and whole + 1 or whole
end

-- What stands at a place, as so many numbers or more; nil: none, or nothing that could be read.
local function unpacked(place, least)
    local raw = redis.call('GET', place)
    local good, found = pcall(cmsgpack.unpack, raw or '')
    if not (raw and good and type(found) == 'table' and #found >= least) then return nil end
    for _, number in ipairs(found) do
        if type(number) ~= 'number' or number ~= number or math.abs(number) == math.huge then return nil end
    end
    return found
end

-- What is of another type than ours was written by somebody else, and goes.
local function fits(place, one, other)
    local kind = redis.call('TYPE', place).ok
    if kind ~= 'none' and kind ~= one and kind ~= other then redis.call('DEL', place) end
end
fits(order, 'zset')
fits(state, ARGV[5] == '' and 'hash' or ARGV[5] == 'sliding' and 'list' or 'string')

-- --- throttle: four kinds of state, each with `used`, `hit` and `frees`

local hits, window, penalize = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == '1'

local function keep(place, numbers, seconds)
    redis.call('SET', place, cmsgpack.pack(numbers), 'EX', math.ceil(seconds) + 1)
end

local sliding = {}

function sliding.used(place)
    while true do
        local oldest = redis.call('LINDEX', place, 0)
        if not oldest then return 0 end
        local stamp = tonumber(oldest)
        if stamp and stamp + window > now then return redis.call('LLEN', place) end
        redis.call('LPOP', place)
    end
end

function sliding.hit(place)
    local over = sliding.used(place) >= hits
    if not over or penalize then
        local last = tonumber(redis.call('LINDEX', place, -1) or '')
        redis.call('RPUSH', place, exact(math.max(now, last or now)))
        redis.call('EXPIRE', place, math.ceil(window) + 1)
        if redis.call('LLEN', place) > hits + 1 then redis.call('LPOP', place) end
    end
    return over
end

function sliding.frees(place)
    local surplus = sliding.used(place) - hits
    return surplus >= 0 and (tonumber(redis.call('LINDEX', place, surplus)) or now) + window or now
end

-- A flat list: the end of a bucket, its hits, and so on.
local bucketed = {}

function bucketed.read(place)
    local found, left, total = unpacked(place, 0) or {}, {}, 0
    for i = 1, #found - 1, 2 do
        if found[i] + window > now then
            left[#left + 1], left[#left + 2] = found[i], found[i + 1]
            total = total + found[i + 1]
        end
    end
    return left, total
end

function bucketed.used(place)
    local _, total = bucketed.read(place)
    return total
end

function bucketed.hit(place)
    local found, total = bucketed.read(place)
    local over = total >= hits
    if over and not penalize then return over end
    if #found == 0 or found[#found - 1] <= now then
        local size = window / BUCKETS
        found[#found + 1], found[#found + 2] = math.max((floor_divided(now, size) + 1) * size, now), 0
    end
    found[#found] = found[#found] + 1
    total = total + 1
    while total > hits + 1 do
        found[2], total = found[2] - 1, total - 1
        if found[2] == 0 then
            table.remove(found, 1)
            table.remove(found, 1)
        end
    end
    keep(place, found, 2 * window)
    return over
end

function bucketed.frees(place)
    local found, total = bucketed.read(place)
    local surplus = total - hits
    for i = 1, #found, 2 do
        if surplus < 0 then break end
        surplus = surplus - found[i + 1]
        if surplus < 0 then return found[i] + window end
    end
    return now
end

local function two_numbers(place)
    local found = unpacked(place, 2) or {0, 0}
    return math.min(math.max(0, found[1]), PENALTY_CAP * hits), found[2]
end

local leaky = {}

function leaky.at(place, time)
    local filled, at = two_numbers(place)
    return math.max(0, filled - math.max(0, time - at) * hits / window), math.max(at, time)
end

function leaky.used(place)
    return (leaky.at(place, now))
end

function leaky.hit(place)
    local amount, at = leaky.at(place, now)
    local over = amount + 1 > hits
    if not over or penalize then keep(place, {amount + 1, at}, (PENALTY_CAP + 1) * window) end
    return over
end

function leaky.frees(place)
    if leaky.used(place) + 1 <= hits then return now end
    local filled, at = two_numbers(place)
    at = at + (filled + 1 - hits) * window / hits
    local _, exponent = math.frexp(at)
    local step = math.ldexp(1, exponent - 53)
    while leaky.at(place, at) + 1 > hits do -- what rounding left over
        at, step = at + step, step * 2
    end
    return at
end

local fixed = {}

function fixed.state(place)
    local amount, at = two_numbers(place)
    if amount == 0 then return 0, now end
    local windows = floor_divided(now - at, window)
    if at + (windows + 1) * window <= now then windows = windows + 1 end
    if windows < 1 then return amount, at end
    amount = penalize and math.max(0, amount - windows * hits) or 0
    return amount, amount > 0 and at + windows * window or now
end

function fixed.used(place)
    return (fixed.state(place))
end

function fixed.hit(place)
    local amount, at = fixed.state(place)
    keep(place, {amount + 1, at}, (PENALTY_CAP + 1) * window)
    return amount >= hits
end

function fixed.frees(place)
    if fixed.used(place) < hits then return now end
    local filled, at = two_numbers(place)
    local windows = penalize and floor_divided(filled - hits, hits) + 1 or 1
    return at + windows * window
end

-- --- all tables: order, and room for one more

local function last_used(name)
    local last = tonumber(redis.call('ZREVRANGE', order, 0, 0, 'WITHSCORES')[2] or 0)
    redis.call('ZADD', order, string.format('%.0f', last + 1), name)
end

local prefix = string.sub(state, 1, #state - #key)
local meter = ({sliding = sliding, bucketed = bucketed, leaky = leaky, fixed = fixed})[ARGV[5]]

local function forget(name)
    redis.call('DEL', prefix .. name)
    redis.call('ZREM', order, name)
end

-- Of the quietest keys the one that counts least goes; one above half its quota never does.
local function make_room()
    if redis.call('ZCARD', order) < most then return '' end
    local best, least
    for _, name in ipairs(redis.call('ZRANGE', order, 0, SAMPLE - 1)) do
        local used = meter.used(prefix .. name)
        if used > hits / 2 then
            last_used(name) -- so that the next search meets others
        elseif not best or used < least then
            best, least = name, used
        end
        if best and least == 0 then break end
    end
    if best then
        forget(best)
        return least > 0 and 'evicted' or ''
    end
    return redis.call('ZCARD', order) < 2 * most and 'grown' or 'full'
end

local function throttle()
    local trouble = ''
    if not redis.call('ZSCORE', order, key) then
        trouble = make_room()
        if trouble == 'full' then return {0, '0', exact(now), exact(now), trouble} end
    end
    local used = meter.used(state)
    local over = meter.hit(state)
    last_used(key)
    redis.call('EXPIRE', order, math.ceil((PENALTY_CAP + 1) * window) + 1)
    for _, name in ipairs(redis.call('ZRANGE', order, 0, 1)) do -- quiet ones that count nothing any more
        if name ~= key and meter.used(prefix .. name) == 0 then forget(name) end
    end
    return {over and 1 or 0, exact(used), exact(over and meter.frees(state) or 0), exact(now), trouble}
end

local function query()
    local frees = meter.frees(state)
    return {frees > now and 1 or 0, exact(meter.used(state)), exact(frees), exact(now), ''}
end

-- --- simple and greylisting: one hash of values

local function put(value, least)
    redis.call('HSET', state, key, value)
    last_used(key)
    if redis.call('ZCARD', order) > most then
        local gone = least and least() or redis.call('ZRANGE', order, 0, 0)[1]
        redis.call('HDEL', state, gone)
        redis.call('ZREM', order, gone)
    end
end

local function fetch()
    local value = redis.call('HGET', state, key)
    if value then last_used(key) end
    return {value and 1 or 0, value or ''}
end

local function remove_value()
    redis.call('HDEL', state, key)
    redis.call('ZREM', order, key)
    return {1}
end

local function adjust()
    local good = redis.pcall('HINCRBY', state, key, ARGV[6])
    local value = redis.call('HGET', state, key)
    if type(good) ~= 'number' then return {0} end
    if #string.gsub(value, '-', '') > 18 then
        redis.call('HINCRBY', state, key, ARGV[7]) -- back
        if not redis.call('ZSCORE', order, key) then redis.call('HDEL', state, key) end
        return {0}
    end
    put(value)
    return {1, value}
end

local function times(raw)
    local first, passed = string.match(raw or '', '^(%S+) (%S+)$')
    return tonumber(first), tonumber(passed)
end

local function not_passed()
    local quiet = redis.call('ZRANGE', order, 0, math.min(SAMPLE, redis.call('ZCARD', order) - 1) - 1)
    for _, name in ipairs(quiet) do
        local _, passed = times(redis.call('HGET', state, name))
        if passed == 0 then return name end
    end
    return quiet[1]
end

local function defer()
    local block, resubmit, inactivity = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
    local first, passed = times(redis.call('HGET', state, key))
    local known = first and passed
    if not known then first, passed = now, 0 end
    if passed > 0 and now - passed > inactivity then
        first, passed = now, 0
    elseif passed == 0 and now - first > resubmit then
        first = now
    elseif passed > 0 or (known and now - first >= block) then
        passed = now
    end
    put(exact(first) .. ' ' .. exact(passed), not_passed)
    for _, name in ipairs(KEYS) do redis.call('EXPIRE', name, math.ceil(resubmit + inactivity) + 1) end
    return {passed > 0 and 0 or 1}
end

if what == 'throttle' then return throttle() end
if what == 'query' then return query() end
if what == 'fetch' then return fetch() end
if what == 'store' then
    put(ARGV[6])
    return {1}
end
if what == 'adjust' then return adjust() end
if what == 'defer' then return defer() end
if meter then
    forget(key)
    return {1}
end
return remove_value()
