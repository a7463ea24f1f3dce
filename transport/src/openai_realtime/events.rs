//! What the OpenAI Realtime dialect sends: the names and fields of its server events, and nothing
//! else. Optional fields that are absent are left out, not sent as null, unless the dialect wants
//! the null.
use serde::Serialize;
use serde_json::Value;

/// A server event without its `event_id`, which the outbox adds.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
#[allow(missing_docs, reason = "the names are the wire's own")]
pub enum ServerEvent<'a> {
    #[serde(rename = "session.created")]
    SessionCreated { session: &'a Value },
    #[serde(rename = "session.updated")]
    SessionUpdated { session: &'a Value },
    #[serde(rename = "error")]
    Error { error: ErrorBody<'a> },

    #[serde(rename = "input_audio_buffer.speech_started")]
    SpeechStarted {
        audio_start_ms: u64,
        item_id: &'a str,
    },
    #[serde(rename = "input_audio_buffer.speech_stopped")]
    SpeechStopped { audio_end_ms: u64, item_id: &'a str },
    #[serde(rename = "input_audio_buffer.committed")]
    Committed {
        item_id: &'a str,
        previous_item_id: Option<&'a str>,
    },
    #[serde(rename = "input_audio_buffer.timeout_triggered")]
    TimeoutTriggered {
        audio_start_ms: u64,
        audio_end_ms: u64,
        item_id: &'a str,
    },
    #[serde(rename = "input_audio_buffer.cleared")]
    InputCleared {},
    #[serde(rename = "conversation.item.input_audio_transcription.delta")]
    TranscriptionDelta {
        item_id: &'a str,
        content_index: u32,
        delta: &'a str,
    },
    #[serde(rename = "conversation.item.input_audio_transcription.completed")]
    TranscriptionCompleted {
        item_id: &'a str,
        content_index: u32,
        transcript: &'a str,
        usage: TranscriptionUsage,
        #[serde(skip_serializing_if = "Option::is_none")]
        logprobs: Option<Vec<LogProb>>,
    },
    #[serde(rename = "mcp_list_tools.in_progress")]
    McpListInProgress { item_id: &'a str },
    #[serde(rename = "mcp_list_tools.completed")]
    McpListCompleted { item_id: &'a str },
    #[serde(rename = "mcp_list_tools.failed")]
    McpListFailed { item_id: &'a str },
    #[serde(rename = "response.mcp_call_arguments.delta")]
    McpArgumentsDelta {
        response_id: &'a str,
        item_id: &'a str,
        output_index: u32,
        delta: &'a str,
    },
    #[serde(rename = "response.mcp_call_arguments.done")]
    McpArgumentsDone {
        response_id: &'a str,
        item_id: &'a str,
        output_index: u32,
        arguments: &'a str,
    },
    #[serde(rename = "response.mcp_call.in_progress")]
    McpCallInProgress { item_id: &'a str, output_index: u32 },
    #[serde(rename = "response.mcp_call.completed")]
    McpCallCompleted { item_id: &'a str, output_index: u32 },
    #[serde(rename = "response.mcp_call.failed")]
    McpCallFailed { item_id: &'a str, output_index: u32 },

    #[serde(rename = "conversation.item.added")]
    ItemAdded {
        previous_item_id: Option<&'a str>,
        item: &'a Value,
    },
    #[serde(rename = "conversation.item.done")]
    ItemDone {
        previous_item_id: Option<&'a str>,
        item: &'a Value,
    },
    #[serde(rename = "conversation.item.deleted")]
    ItemDeleted { item_id: &'a str },
    #[serde(rename = "conversation.item.retrieved")]
    ItemRetrieved { item: &'a Value },
    #[serde(rename = "conversation.item.truncated")]
    ItemTruncated {
        item_id: &'a str,
        content_index: u32,
        audio_end_ms: u64,
    },

    #[serde(rename = "response.created")]
    ResponseCreated { response: &'a Value },
    #[serde(rename = "response.done")]
    ResponseDone { response: &'a Value },
    #[serde(rename = "response.output_item.added")]
    OutputItemAdded {
        response_id: &'a str,
        output_index: u32,
        item: &'a Value,
    },
    #[serde(rename = "response.output_item.done")]
    OutputItemDone {
        response_id: &'a str,
        output_index: u32,
        item: &'a Value,
    },
    #[serde(rename = "response.content_part.added")]
    ContentPartAdded {
        #[serde(flatten)]
        at: Place<'a>,
        part: Part<'a>,
    },
    #[serde(rename = "response.content_part.done")]
    ContentPartDone {
        #[serde(flatten)]
        at: Place<'a>,
        part: Part<'a>,
    },
    #[serde(rename = "response.output_text.delta")]
    TextDelta {
        #[serde(flatten)]
        at: Place<'a>,
        delta: &'a str,
    },
    #[serde(rename = "response.output_text.done")]
    TextDone {
        #[serde(flatten)]
        at: Place<'a>,
        text: &'a str,
    },
    #[serde(rename = "response.output_audio_transcript.delta")]
    TranscriptDelta {
        #[serde(flatten)]
        at: Place<'a>,
        delta: &'a str,
    },
    #[serde(rename = "response.output_audio_transcript.done")]
    TranscriptDone {
        #[serde(flatten)]
        at: Place<'a>,
        transcript: &'a str,
    },
    #[serde(rename = "response.output_audio.delta")]
    AudioDelta {
        #[serde(flatten)]
        at: Place<'a>,
        delta: &'a str,
    },
    #[serde(rename = "response.output_audio.done")]
    AudioDone {
        #[serde(flatten)]
        at: Place<'a>,
    },
    #[serde(rename = "response.function_call_arguments.delta")]
    ArgumentsDelta {
        response_id: &'a str,
        item_id: &'a str,
        output_index: u32,
        call_id: &'a str,
        delta: &'a str,
    },
    #[serde(rename = "response.function_call_arguments.done")]
    ArgumentsDone {
        response_id: &'a str,
        item_id: &'a str,
        output_index: u32,
        call_id: &'a str,
        name: &'a str,
        arguments: &'a str,
    },

    #[serde(rename = "output_audio_buffer.started")]
    OutputStarted { response_id: &'a str },
    #[serde(rename = "output_audio_buffer.stopped")]
    OutputStopped { response_id: &'a str },
    #[serde(rename = "output_audio_buffer.cleared")]
    OutputCleared { response_id: &'a str },

    // The daemon's own, sent only to clients that asked for them.
    #[serde(rename = "voiced.transcript.partial")]
    VoicedPartial { item_id: &'a str, text: &'a str },
    #[serde(rename = "voiced.turn.discarded")]
    VoicedDiscarded { item_id: &'a str },
    #[serde(rename = "voiced.turn.timed")]
    VoicedTimed {
        response_id: &'a str,
        final_ms: Option<u64>,
        decided_ms: Option<u64>,
        first_text_ms: Option<u64>,
        first_audio_ms: Option<u64>,
        heard_ms: Option<u64>,
    },
    #[serde(rename = "voiced.reply.held")]
    VoicedHeld { response_id: Option<&'a str> },
    #[serde(rename = "voiced.reply.resumed")]
    VoicedResumed { response_id: Option<&'a str> },
    #[serde(rename = "voiced.reply.ended")]
    VoicedEnded {
        response_id: &'a str,
        item_id: &'a str,
        outcome: &'a str,
        text: &'a str,
        heard_text: &'a str,
    },
    #[serde(rename = "voiced.tool.called")]
    VoicedToolCalled {
        response_id: &'a str,
        call_id: &'a str,
        name: &'a str,
        arguments: &'a str,
    },
    #[serde(rename = "voiced.tool.returned")]
    VoicedToolReturned {
        response_id: &'a str,
        call_id: &'a str,
        output: &'a str,
    },
    #[serde(rename = "voiced.transfer.requested")]
    VoicedTransfer { target: &'a str },
    #[serde(rename = "voiced.persona.changed")]
    VoicedPersona { persona: &'a str },
    #[serde(rename = "voiced.call.ended")]
    VoicedCallEnded { reason: &'a str },
}

/// Where in a response a content event belongs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Place<'a> {
    /// The response.
    pub response_id: &'a str,
    /// The item.
    pub item_id: &'a str,
    /// Position of the item in the response.
    pub output_index: u32,
    /// Position of the part in the item; always zero here.
    pub content_index: u32,
}

/// A content part inside a part event, where it is called `audio` or `text`.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Part<'a> {
    /// Spoken; its words.
    Audio {
        /// What it says.
        transcript: &'a str,
    },
    /// Written.
    Text {
        /// What it says.
        text: &'a str,
    },
}

/// How sure the recogniser was of a word.
#[derive(Clone, Debug, Serialize)]
pub struct LogProb {
    /// The word.
    pub token: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Natural logarithm of the probability.
    pub logprob: f64,
}

/// What a transcription cost: how much audio was heard.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename = "duration")]
pub struct TranscriptionUsage {
    /// Length of the audio.
    pub seconds: f64,
}

/// The body of an `error` event.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// `invalid_request_error` or `server_error`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// What clients branch on.
    pub code: Option<&'a str>,
    /// For people.
    pub message: &'a str,
    /// Dotted path of the offending key.
    pub param: Option<&'a str>,
    /// The `event_id` of the offending client event.
    pub event_id: Option<&'a str>,
}

/// Why a client's request was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError {
    /// `invalid_request_error` or `server_error`.
    pub kind: &'static str,
    /// What clients branch on.
    pub code: &'static str,
    /// For people: what was wrong and what would be right.
    pub message: String,
    /// Dotted path of the offending key.
    pub param: Option<String>,
}

impl WireError {
    /// The client's mistake.
    pub fn new(code: &'static str, message: impl Into<String>, param: Option<String>) -> Self {
        Self {
            kind: "invalid_request_error",
            code,
            message: message.into(),
            param,
        }
    }

    /// The daemon's fault, or its decision.
    pub fn server(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind: "server_error",
            code,
            message: message.into(),
            param: None,
        }
    }
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for WireError {}
