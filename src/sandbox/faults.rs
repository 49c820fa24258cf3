//! What goes wrong on purpose: a queue of faults, and edits of the world at a chosen request.

use std::{collections::VecDeque, fmt};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{damage::Damage, wire::Request, world::World};

/// One fault. A request meets the first fault in the queue that matches it and has nothing left to skip; a
/// fault that has acted `times` times leaves the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Part of `METHOD /path`, or of `METHOD /path?query` if it holds a `?`; empty for any request. A `$` at
    /// the end stands for the end of the path, so that `employees$` is not `employees/roles`.
    #[serde(default)]
    pub on: String,
    /// How many matching requests pass unharmed first.
    #[serde(default)]
    pub skip: usize,
    /// How many requests it then hits.
    #[serde(default = "once")]
    pub times: usize,
    /// What happens to them.
    #[serde(flatten)]
    pub action: Action,
}

/// The default of [`Fault::times`].
const fn once() -> usize {
    1
}

/// What happens to a request that meets a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// This answer, and the request has no effect.
    Status {
        /// The status code.
        code: u16,
        /// The content type; empty for none.
        #[serde(default)]
        content_type: String,
        /// The body.
        #[serde(default, deserialize_with = "text", serialize_with = "lossy")]
        body: Bytes,
        /// Further headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// The right answer, its length declared in full, with the connection cut after so many bytes of the
    /// body.
    Cut {
        /// How many bytes of the body arrive.
        at: usize,
    },
    /// The right answer without a length, ended by closing the connection after so many bytes of the body.
    CutClose {
        /// How many bytes of the body arrive.
        at: usize,
    },
    /// The right answer, harmed before its length was declared: for HTTP it is whole.
    Damage {
        /// What happened to its body.
        how: Damage,
        /// Where, where that has a place.
        #[serde(default)]
        at: usize,
    },
    /// The connection is closed without an answer, and the request has no effect.
    Close,
    /// The request has its effect, then the connection is closed without an answer.
    CloseAfterEffect,
    /// The right answer, late; the effect comes at once. With a long delay: a server that accepts and never
    /// answers.
    Slow {
        /// The delay before the answer.
        delay_ms: u64,
    },
    /// The effect comes so much later, whether or not the client still waits; who asks in between sees
    /// nothing of it. Whether the client may do that is decided at once.
    Late {
        /// The delay before the effect.
        delay_ms: u64,
        /// Whether the connection stays open and a client that waits gets the answer; else it is closed at
        /// once.
        #[serde(default)]
        hold: bool,
    },
    /// The request is carried out twice, as if a proxy had repeated it, and the answer is that of the second
    /// time.
    Doubled,
    /// The request is carried out and answered, and so much later carried out once more.
    Replayed {
        /// The delay before the second time.
        delay_ms: u64,
    },
    /// The request is carried out as if its JSON body had been sent with this merge patch (RFC 7396).
    PatchRequest {
        /// What differs.
        patch: Value,
    },
    /// The request is carried out, and its JSON answer is sent with this merge patch.
    PatchAnswer {
        /// What differs.
        patch: Value,
    },
    /// The right answer, slowly.
    Drip {
        /// Bytes a second.
        bytes_per_second: u32,
        /// Whether the head drips too.
        #[serde(default)]
        head: bool,
    },
    /// Bytes that are no HTTP; the request has no effect.
    Garbage,
    /// These bytes in place of an answer, head and all, then the end of the connection; the request has no
    /// effect.
    Raw {
        /// What is written.
        #[serde(deserialize_with = "text", serialize_with = "lossy")]
        bytes: Bytes,
    },
    /// 200 and an HTML login page, as a proxy or a wrong port answers; the request has no effect.
    Html,
    /// The right status and content type with a body of no bytes.
    Empty,
    /// The right status and content type with a list of no records.
    EmptyList,
    /// 200 and this body; the request has no effect.
    Body {
        /// The content type; empty for none.
        content_type: String,
        /// The body.
        #[serde(deserialize_with = "text", serialize_with = "lossy")]
        body: Bytes,
    },
    /// The sessions are forgotten first, as after a restart of the server; then the request is answered as it
    /// deserves.
    ExpireToken,
    /// 403 in the words of a server without a free licence.
    LicenceFull,
    /// 429 in the words of the upstream.
    TooMany {
        /// The `Retry-After` header, sent as it is; empty for none.
        #[serde(default)]
        retry_after: String,
    },
    /// A redirect.
    Redirect {
        /// Where to.
        location: String,
        /// The status code.
        #[serde(default = "found")]
        code: u16,
    },
    /// 200 and a gzip stream that unpacks to about this many bytes of white space in an unfinished JSON list.
    GzipBomb {
        /// The size after unpacking.
        unpacked: u64,
    },
}

/// The default of [`Action::Redirect`]'s code.
const fn found() -> u16 {
    302
}

/// Bodies are text in the control interface.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    String::deserialize(deserializer).map(Bytes::from)
}

/// The counterpart of [`text`].
fn lossy<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(body))
}

impl Fault {
    /// A fault for the next request that matches `on`.
    pub fn new(on: impl Into<String>, action: Action) -> Self {
        Self { on: on.into(), skip: 0, times: 1, action }
    }

    /// The same fault after `skip` matching requests.
    #[must_use]
    pub fn skip(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// The same fault for `times` requests.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }
}

/// What a test does to the world.
pub(super) type Edit = Box<dyn FnOnce(&mut World) + Send>;

/// When an edit happens: right before or right after its request is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    After,
}

/// An edit of the world at a chosen request.
struct Hook {
    on: String,
    moment: Moment,
    skip: usize,
    edit: Edit,
}

/// The faults and hooks that wait for their request.
#[derive(Default)]
pub(super) struct Faults {
    queue: VecDeque<Fault>,
    hooks: Vec<Hook>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Faults")
            .field("queue", &self.queue)
            .field("hooks", &self.hooks.len())
            .finish()
    }
}

impl Faults {
    /// Adds faults at the end.
    pub(super) fn extend(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.queue.extend(faults);
    }

    /// Adds an edit that happens at the `nth` matching request (from 1).
    pub(super) fn hook(&mut self, on: &str, moment: Moment, nth: usize, edit: Edit) {
        self.hooks.push(Hook { on: on.to_owned(), moment, skip: nth.saturating_sub(1), edit });
    }

    /// Forgets faults and hooks.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.hooks.clear();
    }

    /// How many faults wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// What is to happen to this request.
    pub(super) fn meet(&mut self, request: &Request) -> Option<Action> {
        for index in 0..self.queue.len() {
            let fault = &mut self.queue[index];
            if fault.times == 0 || !matches(&fault.on, request) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times -= 1;
            let action = fault.action.clone();
            self.queue.retain(|fault| fault.times > 0);
            return Some(action);
        }
        None
    }

    /// The edits that are due at this moment of a request.
    pub(super) fn due(&mut self, request: &Request, moment: Moment) -> Vec<Edit> {
        let (mut due, mut waiting) = (Vec::new(), Vec::new());
        for mut hook in self.hooks.drain(..) {
            if hook.moment != moment || !matches(&hook.on, request) {
                waiting.push(hook);
            } else if hook.skip > 0 {
                hook.skip -= 1;
                waiting.push(hook);
            } else {
                due.push(hook.edit);
            }
        }
        self.hooks = waiting;
        due
    }
}

/// Whether a request is one that `on` means.
fn matches(on: &str, request: &Request) -> bool {
    let mut subject = format!("{} {}", request.method, request.path);
    if on.contains('?') {
        subject.push('?');
        subject.push_str(&super::journal::redact(&request.query));
    }
    match on.strip_suffix('$') {
        Some(end) => subject.ends_with(end),
        None => subject.contains(on),
    }
}

/// A JSON body with a merge patch; a body that is no JSON stays as it is.
pub(super) fn patched(body: &Bytes, patch: &Value) -> Bytes {
    match serde_json::from_slice(body) {
        Ok(mut value) => {
            merge(&mut value, patch);
            value.to_string().into()
        }
        Err(_) => body.clone(),
    }
}

/// RFC 7396: objects are merged, null takes away, all else replaces.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), change);
        }
    }
}

/// A gzip stream of `[` and about `unpacked` blanks: one block of fixed Huffman codes in which every 13 bits
/// mean "258 times the byte before" (RFC 1951, 3.2.6). Its check sum is wrong, but whoever gets that far has
/// already lost.
pub(super) fn gzip_bomb(unpacked: u64) -> Bytes {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut bits, mut count) = (0_u32, 0);
    let mut push = |code: u32, length: u32, out: &mut Vec<u8>| {
        // Huffman codes go in from their highest bit.
        for position in (0..length).rev() {
            bits |= (code >> position & 1) << count;
            count += 1;
            if count == 8 {
                out.push(u8::try_from(bits).unwrap_or_default());
                (bits, count) = (0, 0);
            }
        }
    };
    // Last block, fixed codes (01, lowest bit first), then the two literals.
    push(0b1, 1, &mut out);
    push(0b10, 2, &mut out);
    push(0x30 + u32::from(b'['), 8, &mut out);
    push(0x30 + u32::from(b' '), 8, &mut out);
    for _ in 0..unpacked / 258 {
        push(0b1100_0101, 8, &mut out);
        push(0, 5, &mut out);
    }
    push(0, 7, &mut out);
    push(0, 7, &mut out);
    out.extend_from_slice(&[0; 8]);
    out.into()
}
