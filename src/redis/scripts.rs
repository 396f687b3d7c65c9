//! The scripts that servers run: what compares and writes in one step.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// A script and its hash.
pub(super) struct Compiled {
    text: &'static str,
    hash: LazyLock<Script>,
}

macro_rules! script {
    ($name:ident, $text:literal) => {
        pub(super) static $name: Compiled = Compiled {
            text: $text,
            hash: LazyLock::new(|| Script::new($text)),
        };
    };
}

script!(
    SET_IF,
    // token or bytes, whether these are all there is, new bytes, milliseconds or 0
    "local key, tail = KEYS[1], ARGV[1]
if redis.call('GETRANGE', key, -#tail, -1) ~= tail then return 0 end
if ARGV[2] == '1' and redis.call('STRLEN', key) ~= #tail then return 0 end
if ARGV[4] == '0' then redis.call('SET', key, ARGV[3])
else redis.call('SET', key, ARGV[3], 'PX', ARGV[4]) end
return 1"
);

script!(
    DELETE_IF,
    // token or bytes, whether these are all there is
    "local key, tail = KEYS[1], ARGV[1]
if redis.call('GETRANGE', key, -#tail, -1) ~= tail then return 0 end
if ARGV[2] == '1' and redis.call('STRLEN', key) ~= #tail then return 0 end
return redis.call('DEL', key)"
);

script!(
    MARK,
    // token, placeholder, milliseconds, what tokens end with, what pickles and envelopes begin with, what
    // makes a pickle of digits, if readers read pickles
    "local key, token, seal = KEYS[1], ARGV[1], ARGV[4]
local head = redis.call('GETRANGE', key, 0, 2)
local known = string.sub(head, 1, #ARGV[5]) == ARGV[5] or head == ARGV[6]
if head ~= '' and not known and ARGV[7] ~= '' then
  local digits = redis.call('GETRANGE', key, 0, 20)
  if string.match(digits, '^-?%d+$') and #digits <= 20 then
    local life = redis.call('PTTL', key)
    local marked = ARGV[7] .. digits .. '\\n.' .. token
    if life > 0 then redis.call('SET', key, marked, 'PX', life)
    else redis.call('SET', key, marked) end
    return 1
  end
end
if not known then
  redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
  return 0
end
if redis.call('GETRANGE', key, -#seal, -1) == seal then
  redis.call('SETRANGE', key, redis.call('STRLEN', key) - #token, token)
else
  redis.call('APPEND', key, token)
end
return 1"
);

script!(
    UNVALUE,
    // what placeholders begin with, what tokens end with, how long tokens are, milliseconds
    "local key, none, seal = KEYS[1], ARGV[1], ARGV[2]
if redis.call('GETRANGE', key, -#seal, -1) ~= seal then return 0 end
if redis.call('GETRANGE', key, 0, #none - 1) == none then return 0 end
local token = redis.call('GETRANGE', key, -tonumber(ARGV[3]), -1)
redis.call('SET', key, none .. token, 'PX', ARGV[4])
return 1"
);

script!(
    TOUCH,
    // what placeholders begin with, milliseconds, 0 for ever, or nothing to leave it
    "local key, none, life = KEYS[1], ARGV[1], ARGV[2]
if redis.call('EXISTS', key) == 0 then return 0 end
if redis.call('GETRANGE', key, 0, #none - 1) == none then return 0 end
if life == '0' then redis.call('PERSIST', key)
elseif life ~= '' then redis.call('PEXPIRE', key, life) end
return 1"
);

script!(
    INCREMENT,
    // what placeholders begin with, by how much
    "local key, none = KEYS[1], ARGV[1]
if redis.call('EXISTS', key) == 0 then return false end
if redis.call('GETRANGE', key, 0, #none - 1) == none then return false end
local sum = redis.pcall('INCRBY', key, ARGV[2])
if type(sum) == 'table' then
  if string.find(sum.err, 'not an integer') or string.find(sum.err, 'overflow') then return false end
  return sum
end
-- Its number would have 53 bits here.
return redis.call('GET', key)"
);

impl Compiled {
    /// A call of the script by its hash, for a server that has run it before.
    pub(super) fn by_hash(&self, key: &[u8]) -> Cmd {
        begin("EVALSHA", self.hash.get_hash(), key)
    }

    /// A call with the script's text, which the server then knows.
    pub(super) fn by_text(&self, key: &[u8]) -> Cmd {
        begin("EVAL", self.text, key)
    }
}

fn begin(command: &str, script: &str, key: &[u8]) -> Cmd {
    let mut cmd = redis::cmd(command);
    cmd.arg(script).arg(1).arg(key);
    cmd
}
