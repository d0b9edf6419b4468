//! `/resources/graph`: what is found, at which cost, and who may see it.

mod access;
mod cost;
mod dialects;
mod navigation;
mod pages;
mod population;
