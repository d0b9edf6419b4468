//! The machine behind the table of options: makes the typed sections from it, and a walk over all of them.

use super::value::{Limits, Value};

/// What the table says of one option, beside its type and default.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// `option` or `section.option`.
    pub key: &'static str,
    /// The documentation, one or more lines.
    pub doc: &'static str,
    /// In words, what the default is where it depends on something else.
    pub shown: Option<&'static str>,
}

impl About {
    /// The environment variable: `KEYWARD_` and the key in capitals, with `_` for `.`.
    pub fn variable(&self) -> String {
        variable(self.key)
    }
}

/// The environment variable of the option `key`.
pub(super) fn variable(key: &str) -> String {
    format!("KEYWARD_{}", key.replace('.', "_").to_ascii_uppercase())
}

/// Something that is done to all options in the order of the table.
pub(super) trait Visitor {
    /// Called before the options of a section; the top level, which has no name, is not announced.
    fn section(&mut self, _name: &'static str, _doc: &'static str) {}

    /// Called for each option with the place of its value.
    fn option<T: Value>(&mut self, about: About, limits: Option<Limits<T>>, value: &mut T);
}

/// Makes `Config` and its sections.
///
/// An option is `name: Type = default;` under its documentation, optionally followed by `within least..=most`, both
/// ends included, and by `shown "words"` for a default that depends on something else.
macro_rules! options {
    (@limits $type:ty) => { None };
    (@limits $type:ty, $limits:expr) => { Some($crate::config::value::Limits::<$type>::new($limits)) };
    (@shown) => { None };
    (@shown $shown:literal) => { Some($shown) };
    (
        top { $(
            $(#[doc = $doc:literal])+
            $name:ident: $type:ty = $default:expr $(, within $limits:expr)? $(, shown $shown:literal)?;
        )+ }
        $(
            $(#[doc = $section_doc:literal])+
            [$section:ident] $Section:ident { $(
                $(#[doc = $inner_doc:literal])+
                $inner:ident: $inner_type:ty = $inner_default:expr
                    $(, within $inner_limits:expr)? $(, shown $inner_shown:literal)?;
            )+ }
        )+
    ) => {
        /// The whole configuration, typed and checked. Each field is the option of the same name.
        #[derive(Clone, Debug)]
        pub struct Config {
            $( $(#[doc = $doc])+ pub $name: $type, )+
            $( $(#[doc = $section_doc])+ pub $section: $Section, )+
        }

        $(
            $(#[doc = $section_doc])+
            #[derive(Clone, Debug)]
            pub struct $Section {
                $( $(#[doc = $inner_doc])+ pub $inner: $inner_type, )+
            }
        )+

        impl Config {
            /// The defaults of the table, before those that depend on others are filled in.
            pub(super) fn table_defaults() -> Config {
                Config {
                    $( $name: $default, )+
                    $( $section: $Section { $( $inner: $inner_default, )+ }, )+
                }
            }

            /// Shows every option to `visitor`, in the order of the table.
            pub(super) fn visit(&mut self, visitor: &mut impl $crate::config::table::Visitor) {
                use $crate::config::table::About;
                $(
                    visitor.option::<$type>(
                        About {
                            key: stringify!($name),
                            doc: concat!($($doc, "\n"),+),
                            shown: options!(@shown $($shown)?),
                        },
                        options!(@limits $type $(, $limits)?),
                        &mut self.$name,
                    );
                )+
                $(
                    visitor.section(stringify!($section), concat!($($section_doc, "\n"),+));
                    $(
                        visitor.option::<$inner_type>(
                            About {
                                key: concat!(stringify!($section), ".", stringify!($inner)),
                                doc: concat!($($inner_doc, "\n"),+),
                                shown: options!(@shown $($inner_shown)?),
                            },
                            options!(@limits $inner_type $(, $inner_limits)?),
                            &mut self.$section.$inner,
                        );
                    )+
                )+
            }
        }
    };
}

pub(super) use options;

/// One option as it is told to people.
#[derive(Clone, Debug)]
pub struct Described {
    /// What the table says of it.
    pub about: About,
    /// The value as TOML; `None` if it is not set.
    pub value: Option<String>,
    /// Whether it can also be given as the name of a file, under its key with `_file` at the end.
    pub secret: bool,
    /// Its limits in words.
    pub limits: Option<String>,
    /// The section's name and documentation, at the first option of a section.
    pub opens: Option<(&'static str, &'static str)>,
}

/// All options of `config` with their values.
pub fn describe(config: &super::Config) -> Vec<Described> {
    #[derive(Default)]
    struct Describe {
        opens: Option<(&'static str, &'static str)>,
        all: Vec<Described>,
    }

    impl Visitor for Describe {
        fn section(&mut self, name: &'static str, doc: &'static str) {
            self.opens = Some((name, doc));
        }

        fn option<T: Value>(&mut self, about: About, limits: Option<Limits<T>>, value: &mut T) {
            let limits = limits.map(|limits| limits.to_string());
            let opens = self.opens.take();
            self.all.push(Described { about, value: value.render(), secret: T::SECRET, limits, opens });
        }
    }

    let mut describe = Describe::default();
    config.clone().visit(&mut describe);
    describe.all
}
