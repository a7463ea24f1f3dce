//! Tools of servers the client named: listed once, called like the daemon's own, asked about first
//! where the client wants to be asked.
use std::collections::{BTreeMap, VecDeque};

use super::{Conversation, Phase, reply::Call};
use crate::{
    epoch::Epoch,
    history::Content,
    time::SessionTime,
    turn::{
        Action, CallEvent, ItemId, Refusal, ReplyOptions, ReplySource, ServerCallError, ToolCall,
        ToolEffect, ToolRuns, ToolServer, ToolSpec,
    },
};

/// Questions that wait for the client's answer; the oldest are forgotten.
const MOST_REQUESTS: usize = 64;

/// What is known of the client's tool servers.
#[derive(Clone, Debug, Default)]
pub(super) struct Servers {
    known: Vec<Known>,
    /// For a tool's name as the model knows it: its server, and the server's name for it.
    tools: BTreeMap<String, (String, String)>,
    /// Calls the client was asked about, by the item that asked.
    requests: VecDeque<(ItemId, ToolCall)>,
    /// Calls that were allowed and are still to be made.
    approved: VecDeque<(ItemId, ToolCall)>,
}

#[derive(Clone, Debug)]
struct Known {
    server: ToolServer,
    /// The item of the question for its tools, until it is answered.
    asked: Option<ItemId>,
}

impl Servers {
    /// The server of a tool, and the server's own name for it.
    pub fn of_tool(&self, name: &str) -> Option<(String, String)> {
        self.tools.get(name).cloned()
    }
}

impl Conversation {
    /// From now on the client's tool servers are these. What is the same goes on as it is.
    pub(super) fn connect_tools(&mut self, servers: Vec<ToolServer>) {
        let known = std::mem::take(&mut self.servers.known);
        let (kept, gone): (Vec<Known>, Vec<Known>) = known
            .into_iter()
            .partition(|known| servers.contains(&known.server));
        for known in gone {
            let label = known.server.label;
            self.forget_tools(&label);
            self.actions
                .push_back(Action::ForgetTools { server: label });
        }
        self.servers.known = kept;
        for server in servers {
            if self
                .servers
                .known
                .iter()
                .any(|known| known.server == server)
            {
                continue;
            }
            let item = self.new_item();
            self.tell(CallEvent::ToolsAsked {
                item: item.clone(),
                server: server.label.clone(),
            });
            self.history.push(item.clone(), Content::Note);
            self.actions.push_back(Action::ConnectTools(server.clone()));
            self.servers.known.push(Known {
                server,
                asked: Some(item),
            });
        }
    }

    fn forget_tools(&mut self, label: &str) {
        let names: Vec<String> = (self.servers.tools.iter())
            .filter(|(_, (server, _))| server == label)
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.servers.tools.remove(&name);
            self.settings.tools.retain(|tool| {
                tool.name != name || !matches!(tool.runs, ToolRuns::AtServer { .. })
            });
        }
    }

    pub(super) fn on_tools_listed(&mut self, label: String, tools: Result<Vec<ToolSpec>, String>) {
        let known = self.servers.known.iter_mut();
        let Some(known) = known.into_iter().find(|known| known.server.label == label) else {
            return self.ignore();
        };
        let Some(item) = known.asked.take() else {
            return self.ignore();
        };
        let server = known.server.clone();
        let tools = tools.map(|tools| {
            let is_allowed = |tool: &ToolSpec| {
                let allowed = server.allowed.as_ref();
                allowed.is_none_or(|allowed| allowed.contains(&tool.name))
            };
            tools.into_iter().filter(is_allowed).collect::<Vec<_>>()
        });
        for tool in tools.iter().flatten() {
            let taken = |name: &str| self.settings.tools.iter().any(|known| known.name == name);
            let name = if taken(&tool.name) {
                format!("{label}_{}", tool.name)
            } else {
                tool.name.clone()
            };
            if taken(&name) {
                continue;
            }
            let approval = server.approval.is_needed(&tool.name);
            let route = (label.clone(), tool.name.clone());
            self.servers.tools.insert(name.clone(), route);
            self.settings.tools.push(ToolSpec {
                name,
                runs: ToolRuns::AtServer { approval },
                ..tool.clone()
            });
        }
        self.tell(CallEvent::ToolsListed {
            item,
            server: label,
            tools,
        });
    }

    /// The model called a tool of a server.
    pub(super) fn on_server_called(
        &mut self,
        epoch: Epoch,
        item: ItemId,
        call: ToolCall,
        approval: bool,
        request: Option<ItemId>,
    ) {
        let Some((server, name)) = self.servers.of_tool(&call.name) else {
            return self.ignore();
        };
        self.tell(CallEvent::ServerCalled {
            epoch,
            item: item.clone(),
            server: server.clone(),
            call: ToolCall {
                name: name.clone(),
                ..call.clone()
            },
            approval,
            request,
        });
        if approval {
            if self.servers.requests.len() == MOST_REQUESTS {
                self.servers.requests.pop_front();
            }
            self.servers.requests.push_back((item, call));
        } else {
            self.actions.push_back(Action::CallServer {
                epoch,
                server,
                call: ToolCall { name, ..call },
            });
        }
    }

    pub(super) fn on_server_returned(
        &mut self,
        now: SessionTime,
        epoch: Epoch,
        id: &str,
        output: Result<String, ServerCallError>,
    ) {
        let Some(call) = self.current(epoch).and_then(|reply| reply.open_call(id)) else {
            return self.ignore();
        };
        let item = call.item.clone();
        let text = match &output {
            Ok(text) => text.clone(),
            Err(error) => format!("the tool failed: {}", error.text()),
        };
        self.tell(CallEvent::ServerReturned {
            epoch,
            item,
            output,
        });
        self.answered(now, epoch, id, text, ToolEffect::None);
        self.next_leg(now);
    }

    /// The client allows or forbids a call it was asked about.
    pub(super) fn on_approve(
        &mut self,
        now: SessionTime,
        id: Option<ItemId>,
        request: &ItemId,
        approve: bool,
        reason: Option<String>,
    ) -> Result<(), Refusal> {
        let at = (self.servers.requests.iter()).position(|(asked, _)| asked == request);
        let at = at.ok_or(Refusal::NoSuchRequest)?;
        let item = id.unwrap_or_else(|| self.new_item());
        let previous =
            self.history
                .insert(item.clone(), &crate::turn::Place::End, Content::Note)?;
        let Some((request, call)) = self.servers.requests.remove(at) else {
            return Err(Refusal::NoSuchRequest);
        };
        self.tell(CallEvent::Approved {
            item,
            previous,
            request: request.clone(),
            approve,
            reason: reason.clone(),
        });
        if approve {
            // The call enters the history anew, with its answer.
            self.history.replace(&request, Content::Note);
            self.servers.approved.push_back((request, call));
        } else {
            let why = reason.unwrap_or_else(|| "no reason given".into());
            let answer = Content::Answer {
                call: call.id,
                output: format!("the user did not allow this call: {why}"),
            };
            let item = self.new_item();
            self.history.push(item, answer);
        }
        let is_quiet = matches!(self.phase, Phase::Listening { .. });
        let may_start = self.reply.is_none() && self.commit.is_none() && is_quiet;
        if may_start && !self.start_approved(now) {
            self.start_reply(now, now, ReplyOptions::default());
        }
        Ok(())
    }

    /// Makes the calls that were allowed, in a reply that goes on with their answers. `false` when
    /// there are none.
    pub(super) fn start_approved(&mut self, now: SessionTime) -> bool {
        let approved = std::mem::take(&mut self.servers.approved);
        if approved.is_empty() {
            return false;
        }
        // The words come with the next leg; this one is its calls.
        let source = ReplySource::Words(String::new());
        self.begin(now, now, ReplyOptions::default(), source);
        // The order that was just given would end the reply at once.
        self.actions.pop_back();
        let Some(epoch) = self.replying() else {
            return false;
        };
        for (request, call) in approved {
            let item = self.new_item();
            let runs = ToolRuns::AtServer { approval: false };
            if let Some(reply) = &mut self.reply {
                reply.is_given = false;
                reply.is_written = true;
                reply.calls.push(Call {
                    leg: 0,
                    at: 0,
                    item: item.clone(),
                    call: call.clone(),
                    runs,
                    answer: None,
                });
            }
            if self.servers.of_tool(&call.name).is_some() {
                self.on_server_called(epoch, item, call, false, Some(request));
            } else {
                let gone = "its server is gone".to_owned();
                self.answered(now, epoch, &call.id, gone, ToolEffect::None);
            }
        }
        self.next_leg(now);
        self.expect_wait(now);
        true
    }
}
