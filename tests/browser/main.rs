//! Journeys in Debian's Chromium: what people do, and where they end.
//!
//! `KEYWARD_TEST_CHROMEDRIVER` holds the path of chromedriver; without it these tests are skipped.
//! `KEYWARD_TEST_CHROMIUM` holds the path of Chromium, unless chromedriver finds it by itself.
//! `KEYWARD_TEST_AXE` holds the path of axe-core's `axe.min.js`; without it the accessibility checks are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)] // as in every test

#[path = "../support/mod.rs"]
mod support;

mod application;
mod chrome;
mod scene;

mod api_docs;
mod form_post;
mod mishaps;
mod onboarding;
mod pages;
mod sign_in;
mod sign_out;
mod tabs;
