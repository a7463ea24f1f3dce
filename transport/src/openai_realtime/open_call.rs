//! A tool call of a response while it is open: its item, its arguments as they are written, and,
//! for a tool server's tool, its running.
use serde_json::{Value, json};
use voiced_core::turn::{ItemId, ServerCallError, ToolCall};

use super::{
    events::ServerEvent,
    items::{self, Items},
    outbox::Outbox,
    reply::Reply,
};

/// A call whose item was added and is not done.
pub(super) struct OpenCall {
    pub item: ItemId,
    index: u32,
    call: ToolCall,
    /// What of the arguments was sent.
    sent: String,
    /// For a tool of a tool server: the server, and the question that was answered before.
    server: Option<(String, Option<ItemId>)>,
}

impl OpenCall {
    /// Adds the call's item. `call.arguments` are those known so far: none.
    pub fn open(
        reply: &mut Reply,
        out: &mut Outbox,
        items: &mut Items,
        item: &ItemId,
        call: ToolCall,
        server: Option<(String, Option<ItemId>)>,
    ) {
        let index = reply.take_index();
        let open = Self {
            item: item.clone(),
            index,
            call: ToolCall {
                arguments: String::new(),
                ..call
            },
            sent: String::new(),
            server,
        };
        let wire = open.to_wire("in_progress", None);
        reply.add_item(out, items, item, index, &wire);
        reply.calls.push(open);
    }

    fn to_wire(&self, status: &str, output: Option<&Result<String, ServerCallError>>) -> Value {
        match &self.server {
            None => items::called_by_agent(&self.item, status, &self.call, &self.sent),
            Some((server, request)) => {
                let mut wire = json!({
                    "id": &*self.item.0, "type": "mcp_call", "server_label": server,
                    "name": self.call.name, "arguments": self.sent,
                });
                if let Some(request) = request {
                    wire["approval_request_id"] = json!(&*request.0);
                }
                match output {
                    Some(Ok(output)) => wire["output"] = json!(output),
                    Some(Err(error)) => wire["error"] = error_to_wire(error),
                    None => {}
                }
                wire
            }
        }
    }

    /// More of the arguments.
    pub fn write(&mut self, response_id: &str, out: &mut Outbox, delta: &str) {
        if delta.is_empty() {
            return;
        }
        self.sent.push_str(delta);
        let (item_id, output_index) = (&*self.item.0, self.index);
        out.send(match &self.server {
            None => ServerEvent::ArgumentsDelta {
                response_id,
                item_id,
                output_index,
                call_id: &self.call.id,
                delta,
            },
            Some(_) => ServerEvent::McpArgumentsDelta {
                response_id,
                item_id,
                output_index,
                delta,
            },
        });
    }

    /// All arguments are known.
    pub fn written(&mut self, response_id: &str, out: &mut Outbox, arguments: &str) {
        // What was streamed and does not agree with the whole stands: deltas are not taken back.
        let rest = arguments.strip_prefix(self.sent.as_str());
        self.write(response_id, out, rest.unwrap_or_default());
        self.arguments_done(response_id, out);
        if self.server.is_some() {
            out.send(ServerEvent::McpCallInProgress {
                item_id: &self.item.0,
                output_index: self.index,
            });
        }
    }

    fn arguments_done(&self, response_id: &str, out: &mut Outbox) {
        let (item_id, output_index) = (&*self.item.0, self.index);
        out.send(match &self.server {
            None => ServerEvent::ArgumentsDone {
                response_id,
                item_id,
                output_index,
                call_id: &self.call.id,
                name: &self.call.name,
                arguments: &self.sent,
            },
            Some(_) => ServerEvent::McpArgumentsDone {
                response_id,
                item_id,
                output_index,
                arguments: &self.sent,
            },
        });
    }

    /// The client is to carry it out from here.
    pub fn hand_over(self, reply: &mut Reply, out: &mut Outbox, items: &mut Items) {
        let wire = self.to_wire("completed", None);
        reply.finish_item(out, items, &self.item, self.index, wire);
    }

    /// Its server answered.
    pub fn returned(
        self,
        reply: &mut Reply,
        out: &mut Outbox,
        items: &mut Items,
        output: &Result<String, ServerCallError>,
    ) {
        let (item_id, output_index) = (&*self.item.0, self.index);
        out.send(match output {
            Ok(_) => ServerEvent::McpCallCompleted {
                item_id,
                output_index,
            },
            Err(_) => ServerEvent::McpCallFailed {
                item_id,
                output_index,
            },
        });
        let wire = self.to_wire("completed", Some(output));
        reply.finish_item(out, items, &self.item, self.index, wire);
    }

    /// The response ends before the call does.
    pub fn abandon(self, reply: &mut Reply, out: &mut Outbox, items: &mut Items) {
        if self.server.is_some() {
            let cut = "the response ended before the call did".to_owned();
            return self.returned(reply, out, items, &Err(ServerCallError::Tool(cut)));
        }
        self.arguments_done(&reply.id.clone(), out);
        let wire = self.to_wire("incomplete", None);
        reply.finish_item(out, items, &self.item, self.index, wire);
    }
}

fn error_to_wire(error: &ServerCallError) -> Value {
    match error {
        ServerCallError::Tool(message) => {
            json!({"type": "tool_execution_error", "message": message})
        }
        ServerCallError::Protocol { code, message } => {
            json!({"type": "protocol_error", "code": code, "message": message})
        }
        // No answer has no status of its own; this is what a gateway would say.
        ServerCallError::Unreachable(message) => {
            json!({"type": "http_error", "code": 504, "message": message})
        }
    }
}
