-- What all processes used of some accounts' limits; see sendwarden.engine.limits.shared for what it means.
-- KEYS: one a question. ARGV: which process asks, how long a pool that nobody tells is kept in seconds, which quantum
-- it is ("": by Redis' own clock), then the questions as JSON: {teller, q, rows: [[quantum, counts...]...],
-- want: [counts...], whole, look, limits: [[counter, length, step, most]...]}.
-- A pool is {first, old, recent}: of `old` quanta only the sum is known, of `recent` ones who used what. Counters
-- are numbered from 0, as in sendwarden.engine.limits.rules. Where this form changes, so must the keys' name.
-- Who asks in another quantum than ours is told that his clock is `off`, and nothing else happens: no process' clock
-- may spoil what others count. A pool that cannot be read is begun anew (`anew`).
local process, kept = ARGV[1], tonumber(ARGV[2])
local here = tonumber(ARGV[3]) or math.floor(redis.call('TIME')[1] / 30)
local me -- who tells
local PARTS, RECENT, MOST_ROWS = 10, 20, 10000
local WINDOWS = {{20, 1}, {120, 10}, {2880, 120}} -- length and step in quanta

local function first_counted(length, step, now)
    return math.max(0, math.floor((now - length) / step) * step)
end

local function add(into, row, from)
    for c = 1, #row - from do
        into[c] = (into[c] or 0) + row[c + from]
    end
end

-- The step of the finest window that still counts a quantum; nil: none does.
local function step_of(quantum, now)
    for _, window in ipairs(WINDOWS) do
        if quantum >= first_counted(window[1], window[2], now) then
            return window[2]
        end
    end
end

-- What is too old goes; rows that leave all their windows together become one, with the last one's quantum.
local function merged(rows, now)
    table.sort(rows, function(one, other) return one[1] < other[1] end)
    local found = {}
    for _, row in ipairs(rows) do
        local step, last = step_of(row[1], now), found[#found]
        if step and last and math.floor(last[1] / step) == math.floor(row[1] / step) then
            last[1] = row[1]
            for c = 2, #row do
                last[c] = (last[c] or 0) + row[c]
            end
        elseif step then
            found[#found + 1] = row
        end
    end
    return found
end

local function tell(recent, quantum, counts)
    for i, row in ipairs(recent) do
        if row[1] == quantum and row[2] == me then
            table.remove(recent, i)
            break
        end
    end
    local row, any = {quantum, me}, false
    for _, count in ipairs(counts) do
        row[#row + 1] = count
        any = any or count > 0
    end
    if any then
        recent[#recent + 1] = row
    end
end

local function used(old, recent, limit, now)
    local place, first, sum = limit[1] + 2, first_counted(limit[2], limit[3], now), 0
    for _, row in ipairs(old) do
        if row[1] >= first then sum = sum + (row[place] or 0) end
    end
    for _, row in ipairs(recent) do
        if row[1] >= first then sum = sum + (row[place + 1] or 0) end
    end
    return sum
end

local function granted(ask, old, recent)
    local left = {}
    for _, limit in ipairs(ask.limits) do
        local c = limit[1] + 1
        left[c] = math.min(left[c] or math.huge, limit[4] - used(old, recent, limit, ask.q))
    end
    local grant, enough = {}, true
    for c, want in ipairs(ask.want) do
        local room = left[c] and math.max(0, left[c]) or want
        enough = enough and room >= want
        local lease = left[c] and want > 0 and math.floor(math.max(0, room - want) / PARTS) or 0
        grant[c] = math.min(room, want + lease)
    end
    if ask.whole and not enough then
        for c = 1, #grant do grant[c] = 0 end
    end
    return grant
end

local function number(value)
    return type(value) == 'number' and value >= 0 and value < 2 ^ 53
end

-- Raises an error for what is no list of rows, of which the counts begin at some place.
local function checked(rows, from)
    assert(type(rows) == 'table' and #rows <= MOST_ROWS)
    for _, row in ipairs(rows) do
        assert(type(row) == 'table' and number(row[1]) and (from < 3 or type(row[2]) == 'string'))
        for c = from, #row do assert(number(row[c])) end
    end
    return rows
end

local function pool_at(key)
    local raw = redis.call('GET', key)
    if not raw then return {0, {}, {}} end
    local pool = cmsgpack.unpack(raw)
    assert(type(pool) == 'table' and number(pool[1]))
    return {pool[1], checked(pool[2], 2), checked(pool[3], 3)}, true
end

local function answered(key, ask)
    if ask.look and math.abs(ask.q - here) > 1 then return {off = true} end
    local read, pool, there = pcall(pool_at, key)
    if not read then pool, there = {0, {}, {}}, true end
    local now = ask.look and ask.q or here
    me = process .. ':' .. ask.teller
    -- Of a pool from later than now, Redis' clock was set back: from now on it is told again who used what.
    local first = math.min(math.max(pool[1], now - RECENT), now)
    local old, recent = pool[2], {}
    for _, row in ipairs(pool[3]) do
        if row[1] >= first then
            recent[#recent + 1] = row
        else
            local sum = {row[1]}
            for c = 3, #row do sum[c - 1] = row[c] end
            old[#old + 1] = sum
        end
    end
    old = merged(old, now)
    local mine
    for _, row in ipairs(ask.rows) do
        local quantum = table.remove(row, 1)
        if quantum >= first and quantum <= here + 1 then tell(recent, quantum, row) end
        mine = row
    end
    local answer = {first = first, anew = not read or nil}
    if ask.look then
        answer.granted = granted(ask, old, recent)
        for c = 1, #answer.granted do mine[c] = mine[c] + answer.granted[c] end
        tell(recent, ask.q, mine)
        answer.old, answer.others = old, {}
        local by_quantum = {}
        for _, row in ipairs(recent) do
            if row[2] ~= me then
                local sum = by_quantum[row[1]]
                if not sum then
                    sum = {}
                    by_quantum[row[1]] = sum
                end
                add(sum, row, 2)
            end
        end
        for quantum, sum in pairs(by_quantum) do
            table.insert(sum, 1, quantum)
            answer.others[#answer.others + 1] = sum
        end
    end
    if #old + #recent > 0 then
        redis.call('SET', key, cmsgpack.pack({first, old, recent}), 'EX', kept)
    elseif there then
        redis.call('DEL', key)
    end
    return answer
end

local answers = {}
for i, key in ipairs(KEYS) do
    answers[i] = cjson.encode(answered(key, cjson.decode(ARGV[i + 3])))
end
return answers
