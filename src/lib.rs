//! Keyward: an OAuth 2.x and OpenID Connect authorization server with an IAM surface.
//!
//! # The house
//!
//! A request reads downwards: face, decision, store, value; never sideways, never up.
//!
//! | room | what is in it |
//! |---|---|
//! | [`cli`] | one file per command; [`cli::serve`] is the one that matters, [`cli::demo`] is the application that `try` shows |
//! | [`server`] | from an [`app::App`] to a server that answers: listeners, TLS, limits, faces, graceful stop |
//! | [`oauth`] | the face for client programs: endpoints, grants, tokens; errors are RFC 6749 JSON |
//! | [`openapi`] | the description of the APIs, made of what their faces say, and its viewer |
//! | [`iam`] | the face for administrators' programs: REST under `/resources/iam`; errors are problem documents |
//! | [`me`] | the face for people's own programs: REST under `/resources/me`; errors are problem documents |
//! | [`sendings`] | the face for programs that have mail sent: REST under `/resources/sendings` |
//! | [`appserver`] | the face for programs that know One Identity Manager's application server: its login; errors in its own form |
//! | [`graph`] | the face for programs that ask across resources: `/resources/graph`, which only reads |
//! | [`pages`] | the face for people: sign in, consent, set up, sign out; errors are pages in plain words |
//! | [`web`] | what the faces share: request id, cookies, anti-forgery, addresses behind proxies, requests that travel in pages |
//! | [`directory`] | what administrators do with principals, clients and roles, with its rules and its audit log |
//! | [`identity`] | decisions that faces share: check a password, throttle guesses, open and end sessions, verify an access token or a personal one, grant scopes |
//! | [`app`] | what a handler may reach |
//! | [`audit`] | the audit log as a chain: one server seals it, signs checkpoints, cuts what is old; and its verification |
//! | [`mail`] | outgoing mail: letters, the worker that delivers them, SMTP |
//! | [`store`] | the only place with queries, one file per table, for both databases |
//! | [`keys`] | the master key and what is sealed under it; signing keys and the JWTs they sign |
//! | [`hasher`] | argon2id on threads of its own |
//! | [`ldap`] | a directory that is asked whether a password is right |
//! | [`fetch`] | outgoing requests that cannot be turned on the inside of the network |
//! | [`config`] | the one table of options |
//! | [`telemetry`] | the log, and the trace that a request is part of, for a collector that is told of it |
//! | [`metrics`] | what is counted and measured, for Prometheus |
//! | [`model`] | values that cannot be wrong: scopes, permissions, redirect URIs, secrets, times |
//!
//! `tests/architecture.rs` fails on an import against this direction. Only handlers name [`app::App`]; below them a
//! function takes what it uses.
//!
//! # A token request walks through
//!
//! [`oauth::endpoint`] reads form and header, [`oauth::client_auth`] says who asks, [`oauth::grant`] is the one match
//! over the grant types, [`oauth::flow`] drives oxide-auth's state machine inside one transaction, the store does a few
//! statements, and after the commit [`oauth::access_token`] and [`oauth::id_token`] sign.
//!
//! # Why it is so
//!
//! **One crate.** What a workspace would buy, an enforced direction, a small test buys too; pass-through crates with
//! traits in between were the rejected option.
//!
//! **One connection enum, no repository trait.** A query is written once against [`store::Conn`]; where one statement
//! needs a native feature, a six-line macro gives it from one source text. A trait with two implementations would have
//! every query twice.
//!
//! **Group commit on SQLite.** One thread owns the write connection and commits whatever is waiting at once, so that
//! `synchronous=FULL` (acknowledged means on disk) does not cost an fsync per caller. `NORMAL` was rejected: it would
//! bring used codes back after a power loss.
//!
//! **Nothing stored per access token.** A token names its grant, session and its own `jti`; revocation acts on those,
//! and every use on this server looks at them. So client_credentials writes nothing.
//!
//! **What every request asks is in memory, with a lease.** Clients, principals and what they may do, grants, sessions, and
//! tokens that were looked at: a request with a token that is known asks no database (`store::known`). Triggers write
//! down what a write has changed, so that no write can forget to; this process forgets it before the write is
//! acknowledged, others read what was changed ten times a second and use nothing that they have not compared within 400
//! ms. So an end that was acknowledged holds at once where it was asked for, and everywhere within half a second, also
//! where a server cannot reach the database: then it answers 503. What was *given* on another server a moment ago is
//! looked for in the database before it is said to be missing. Asking for versions at each use, as it was before, was
//! exact everywhere at once and cost two to four times as much per request; PostgreSQL's notifications were rejected since
//! a connection that is lost loses them without a word, and poolers in between do not know them. Who decides in a
//! transaction still reads there ([`store::access`]).
//!
//! **An act is written once, below the faces.** What administrators and people do lies in [`directory`], over one
//! transaction: it checks who acts, keeps the rules, writes, and notes the change in the audit log. REST, self service,
//! pages and command line call it. The permission stands in a handler's signature besides ([`web::caller`]), so that
//! none is without.
//!
//! **Administrators' writes happen one after the other.** They begin by raising the generation, whose row lock orders
//! them on every node; so what was checked (an owner remains, a role is free, nobody rises) still holds when it is
//! written. Serializable transactions were the rejected option: they fail where nothing was wrong, and the embedded
//! database has no use for them. Sign-ins and tokens do not wait for this. A dry run of a file takes no part in it: what is
//! rolled back in any case touches none of the rows on which all writers meet, and makes nobody wait.
//!
//! **409 where a version does not match**, not 412: two people met, and the second is told so. A condition in the header
//! or the version in the body mean the same.
//!
//! **oxide-auth's machines, not its flows.** The machines are pure and check the RFC 6749 core; the stock loops,
//! serialisers and frontends answer with wrong codes and keys (see [`oauth::flow`]), so ours drive the machines.
//!
//! **Requests travel in pages.** No half-finished sign-in is kept anywhere: the validated request is sealed into the
//! page. Rows or memory per started sign-in were rejected: a crawler could fill them, and a restart would lose them.
//!
//! **A refresh token's successor is kept sealed for half a minute.** A client that lost the response presents the old
//! token again and gets the same successor, so that one child lives; only who presents the old token can open it.
//! Answering every repetition with revocation signs people out over bad networks; issuing a second child hides theft.
//!
//! **The audit log is sealed behind the writers.** A hash taken inside their transactions would make all of them wait for
//! each other, and a number from a sequence has gaps where one is rolled back. So one server at a time chains what is
//! committed, about every second; what somebody with the database could remove within that second is the price (see
//! [`audit`]). Checkpoints are signed by a key that only the master key opens.
//!
//! **A backup is rows, not pages.** One reading transaction writes every table as lines of JSON, which fit either database
//! and every later schema; what triggers keep is made again. Copying the embedded database's file was the rejected
//! option: it fits only itself, and would lie on the disk in the clear before it is sealed (see [`cli::backup`]).
//!
//! **A mail rather twice than never.** Whoever dies between the mail server's word and the commit that notes it does not
//! know whether the mail was accepted. It is sent again, under the same `Message-ID`; to give it up would lose links that
//! people wait for (see [`mail`]).
//!
//! **Lists are found by position, along an index that ends the search.** Counting rows off costs more with every page,
//! and a scan for a total with every row; so pages continue from a sealed position, totals are kept by triggers or
//! counted up to 100, and members of roles, attribute values and runs of characters lie in the order of registration.
//! Runs of six characters besides those of one to three, since a rare text whose parts are all common (any email
//! address) would otherwise cost as much as there are rows. SQLite's and PostgreSQL's own trigram indexes were the
//! rejected options for that reason, and the latter gives no order. Triggers keep what is derived, so that no write can
//! forget it. See [`store::listing`].
//!
//! **A session of the application-server face is two rows.** One is a session as any other, so that every list shows it
//! and everything that ends sessions ends it; the other ([`store::appserver_session`]) holds what its id stands for and
//! what it hangs on: a grant, a token, a client's secret. A client's own is only the latter. A column for the purpose in
//! one table was the rejected option: a session without a person would be in the way of everybody who asks for persons.
//! Its id and a browser's cookie are secrets of different kinds, and each face looks up only its own kind.
//!
//! **A code or token opens no more than was granted with it.** The session is narrowed by the scope, as the token would
//! be; One Identity's own server looks only at who it is. Otherwise an application that may only read a name could sign
//! in to all that its person may do.
//!
//! **An unknown name costs a bind.** The directory is asked to bind somebody who does not exist, so that neither work nor
//! time tells who does.
//!
//! **A question across resources may be answered in part.** The graph takes conditions that no index knows. Such a search
//! walks along an index a bounded number of rows and then says how far it came; the next request goes on from there.
//! Refusing such questions was one rejected option, since most are about a few thousand rows; letting them run was the
//! other. What a condition does have an index for decides how it is run, most selective first; identities lie in two
//! tables, and each has its own way. What the caller may not see is one more condition, so that no count, filter or
//! navigation tells of it. See [`store::graph`].
//!
//! **What is counted costs nothing to count.** Numbers are atomics that were found beforehand ([`metrics`]): a route's
//! are kept beside its resource, from its first request on. The usual ways, a map of label texts behind a lock or a line
//! for each event, cost more than some requests. Texts, and queries with an end, are made when somebody reads.
//!
//! **The log tells of nobody.** Lines have ids, patterns of routes and codes, not what people are called or where they
//! are, until `log.personal_data` says so; libraries, which do not know of this, are heard from `info` on. A caller's
//! trace is followed where the caller is a trusted proxy: others could mix requests of strangers into theirs.
//!
//! **The doctor signs in, and asks for no door of its own.** Whether proxies are set up well is seen by what the server notes
//! of somebody who comes as all do: the address with a session, having been sent an invented one. An endpoint that tells
//! callers how they look to the server was the rejected option, since it tells attackers as well. Whoever signs in is made
//! straight in the database with what proves who they are known to one process, and is gone afterwards (see
//! [`cli::doctor`]).
//!
//! **The system's allocator.** mimalloc was tried: the same CPU per token (1.01 times) for 1.7 times the memory.
//!
//! **Guesses are counted before they are checked.** Counting failures afterwards lets guesses in parallel slip past.
//! A browser that has signed in before has a counter of its own, so that nobody can lock somebody else out.

pub mod app;
pub mod appserver;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod directory;
pub mod fetch;
pub mod graph;
pub mod hasher;
pub mod iam;
pub mod identity;
pub mod keys;
pub mod ldap;
pub mod mail;
pub mod me;
pub mod metrics;
pub mod model;
pub mod oauth;
pub mod openapi;
pub mod pages;
pub mod sendings;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod web;
