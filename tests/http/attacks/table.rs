//! What servers of this kind have fallen to, row by row, and the requirements of the OWASP Application Security
//! Verification Standard 5.0 for authorization servers; with the test that proves each clause against the running server.

/// What proves a clause.
pub enum Proof {
    /// Tests of this binary, as `module::test`.
    Tests(&'static [&'static str]),
    /// A unit test, where no request from outside gets that far: the file and the name.
    Unit(&'static str, &'static str),
    /// A measurement: the script and what of it.
    Measured(&'static str),
    /// The clause is about something that Keyward does not have, or does not have yet: what.
    NotApplicable(&'static str),
}

/// What is claimed, and what proves it.
pub type Clause = (&'static str, Proof);

/// An attack.
pub struct Row {
    /// Its number.
    pub number: u32,
    /// The clauses.
    pub clauses: &'static [Clause],
}

/// A requirement, or a group of them.
pub struct Requirement {
    /// Its number.
    pub requirement: &'static str,
    /// The clauses.
    pub clauses: &'static [Clause],
}

use Proof::{Measured, NotApplicable, Tests, Unit};

const fn row(number: u32, clauses: &'static [Clause]) -> Row {
    Row { number, clauses }
}

const fn asvs(requirement: &'static str, clauses: &'static [Clause]) -> Requirement {
    Requirement { requirement, clauses }
}

const NO_SECOND_FACTOR: Proof = NotApplicable("there is no second factor yet");
const NO_RECOVERY: Proof = NotApplicable("people neither register nor recover an account themselves yet");

/// All rows.
pub const ROWS: [Row; 46] = [
    // Redirects and addresses
    row(
        1,
        &[
            (
                "user information and several @ in a redirect URI, backslashes, encodings in encodings",
                Tests(&[
                    "attacks::redirects::a_redirect_uri_that_is_not_the_registered_string_never_gets_a_redirect",
                    "attacks::redirects::no_change_of_one_character_to_a_redirect_uri_is_accepted",
                    "attacks::redirects::lookalikes_are_refused_by_post_and_at_the_logout_too",
                ]),
            ),
            (
                "the same at registration",
                Tests(&["iam::clients::rules::people_are_sent_only_to_where_an_application_can_be"]),
            ),
        ],
    ),
    row(
        2,
        &[
            (
                "paths, ports, dots, blanks, controls, queries and fragments that differ, in every mode and on every error",
                Tests(&[
                    "attacks::redirects::a_redirect_uri_that_is_not_the_registered_string_never_gets_a_redirect",
                    "attacks::redirects::no_change_of_one_character_to_a_redirect_uri_is_accepted",
                    "oauth::authorize::an_unproven_client_never_gets_a_redirect",
                ]),
            ),
            (
                "two values, in one place or in two",
                Tests(&[
                    "oauth::authorize::a_repeated_parameter_is_an_error_but_resources_may_repeat",
                    "attacks::redirects::what_stands_in_the_other_half_of_a_request_does_not_count",
                ]),
            ),
            (
                "line ends in what goes into Location",
                Tests(&["attacks::redirects::nothing_that_is_sent_along_becomes_a_header_of_the_answer"]),
            ),
        ],
    ),
    row(
        3,
        &[(
            "loopback lets the port vary and nothing else",
            Tests(&[
                "attacks::redirects::a_loopback_registration_lets_no_other_host_through",
                "oauth::authorize::the_port_of_a_loopback_redirect_uri_may_vary",
            ]),
        )],
    ),
    row(
        4,
        &[(
            "addresses that run or hold a document, in any case, as redirect URI, logo or picture",
            Tests(&[
                "iam::clients::rules::people_are_sent_only_to_where_an_application_can_be",
                "me::profile::what_is_wrong_with_a_profile_is_told",
                "iam::principals::document::what_is_wrong_with_a_principal_is_told",
            ]),
        )],
    ),
    row(
        5,
        &[
            (
                "where a sign-in leads",
                Tests(&["pages::login::nothing_in_the_address_leads_elsewhere_after_signing_in"]),
            ),
            (
                "where a logout leads",
                Tests(&[
                    "oauth::logout::an_address_that_is_not_registered_to_the_letter_gets_a_page",
                    "pages::account::nobody_elses_request_leads_somewhere_after_signing_out",
                ]),
            ),
        ],
    ),
    row(
        6,
        &[
            (
                "a parameter that is there twice",
                Tests(&[
                    "attacks::redirects::a_repeated_parameter_is_refused_everywhere",
                    "oauth::authorize::a_repeated_parameter_is_an_error_but_resources_may_repeat",
                    "iam::takeover::a_body_or_path_that_could_be_read_in_two_ways_is_refused",
                ]),
            ),
            (
                "the token endpoint reads no query",
                Tests(&[
                    "oauth::token::nothing_is_taken_from_the_query",
                    "attacks::redirects::what_stands_in_the_other_half_of_a_request_does_not_count",
                ]),
            ),
        ],
    ),
    row(
        7,
        &[
            ("303 after a credential", Tests(&["attacks::redirects::every_form_with_a_credential_is_answered_by_303"])),
            (
                "the fragment ends",
                Tests(&["attacks::redirects::an_answer_carries_no_fragment_along_and_no_password_is_posted_on"]),
            ),
        ],
    ),
    // Codes, PKCE, refresh tokens
    row(
        8,
        &[
            (
                "challenge or verifier dropped, by public and confidential clients, at every face that takes codes",
                Tests(&[
                    "oauth::token::pkce_is_not_downgraded_in_either_direction",
                    "oauth::token::a_code_is_bound_to_its_verifier",
                    "oauth::authorize::a_public_client_must_use_pkce_whatever_its_registration_says",
                    "attacks::codes::no_face_lets_a_challenge_be_dropped",
                ]),
            ),
            (
                "the method plain",
                Tests(&[
                    "oauth::authorize::only_s256_is_a_challenge_method",
                    "attacks::codes::no_face_lets_a_challenge_be_dropped",
                ]),
            ),
        ],
    ),
    row(
        9,
        &[
            (
                "another client's code or refresh token",
                Tests(&[
                    "oauth::token::a_code_is_bound_to_its_client",
                    "oauth::refresh::a_refresh_token_is_bound_to_its_client",
                    "appserver::oauth::what_does_not_fit_the_code_does_not_use_it",
                ]),
            ),
            (
                "another session's code",
                Tests(&["attacks::codes::a_code_of_one_session_does_not_pass_for_another_with_pkce_or_nonce"]),
            ),
        ],
    ),
    row(
        10,
        &[
            (
                "a code redeemed by many at once, at one face or at two",
                Tests(&[
                    "races::of_many_who_redeem_one_code_one_wins_and_the_others_revoke",
                    "attacks::codes::of_two_faces_that_redeem_one_code_at_once_one_wins_and_the_others_revoke",
                ]),
            ),
            (
                "a refresh token used by many at once; reuse is noticed all the same",
                Tests(&[
                    "races::of_many_who_refresh_one_token_all_receive_the_one_living_child",
                    "races::who_replays_while_the_successor_is_used_never_makes_a_second_living_child",
                    "races::a_late_replay_by_many_leaves_nothing_alive",
                ]),
            ),
            (
                "rotation against revocation and signing out",
                Tests(&[
                    "races::refreshing_against_revoking_leaves_nothing_alive",
                    "races::signing_out_against_redeeming_leaves_nothing_alive",
                ]),
            ),
        ],
    ),
    row(
        11,
        &[
            (
                "consent withdrawn",
                Tests(&[
                    "oauth::refresh::a_consent_that_was_withdrawn_ends_what_it_granted",
                    "me::consents::a_person_sees_and_disconnects_applications",
                ]),
            ),
            (
                "principal or client suspended",
                Tests(&["oauth::refresh::a_suspended_person_or_client_refreshes_nothing"]),
            ),
            ("role taken away", Tests(&["oauth::refresh::a_role_that_was_taken_away_is_not_refreshed"])),
            (
                "offline_access taken away",
                Tests(&["oauth::refresh::a_client_that_may_no_longer_ask_for_offline_access_ends_with_the_session"]),
            ),
            (
                "password changed or reset",
                Tests(&[
                    "oauth::refresh::a_new_password_ends_what_was_granted_in_other_sessions",
                    "iam::principals::effects::a_password_that_was_reset_is_good_for_choosing_another_only",
                ]),
            ),
            ("signed out", Tests(&["oauth::refresh::signing_out_ends_what_was_granted_in_the_session"])),
        ],
    ),
    row(
        12,
        &[(
            "a secret of one kind presented as every other kind",
            Tests(&[
                "attacks::codes::each_secret_of_this_server_opens_its_own_doors_and_no_other",
                "attacks::codes::a_one_time_secret_of_one_kind_is_worth_nothing_as_another",
            ]),
        )],
    ),
    row(
        13,
        &[(
            "a secret truncated, padded, flipped or appended to",
            Tests(&[
                "attacks::codes::a_credential_that_was_truncated_padded_or_flipped_is_worth_nothing",
                "attacks::codes::what_is_sealed_or_kept_in_a_cookie_has_one_spelling",
                "me::pat::only_the_exact_value_is_the_token",
            ]),
        )],
    ),
    row(
        14,
        &[
            (
                "an end that cannot be stored is no success",
                Tests(&["attacks::codes::an_end_that_cannot_be_stored_is_never_told_as_done"]),
            ),
            (
                "one that was told is on disk",
                Tests(&[
                    "attacks::codes::a_revocation_that_was_answered_is_on_disk",
                    "oauth::revoke::a_revocation_survives_a_restart",
                ]),
            ),
        ],
    ),
    row(
        15,
        &[
            (
                "settings of a client that change between request and completion",
                Tests(&[
                    "pages::consent::what_changed_between_question_and_answer_takes_effect",
                    "iam::clients::flows::what_is_registered_counts_at_the_next_request",
                    "attacks::sessions::what_is_suspended_on_the_way_does_not_arrive",
                ]),
            ),
            (
                "the state of a request made up by the browser",
                Tests(&[
                    "oauth::authorize::an_altered_or_foreign_continuation_gets_a_page",
                    "pages::consent::a_sealed_question_cannot_be_made_up",
                    "attacks::codes::what_is_sealed_or_kept_in_a_cookie_has_one_spelling",
                ]),
            ),
        ],
    ),
    // JOSE and client authentication
    row(
        16,
        &[
            (
                "forged access tokens at every face",
                Tests(&[
                    "attacks::jose::no_forged_token_is_believed_anywhere",
                    "attacks::jose::no_forged_token_opens_an_api_a_program_or_the_logout",
                    "attacks::jose::a_token_of_another_server_with_the_same_keys_is_worth_nothing",
                ]),
            ),
            (
                "tokens of another type",
                Tests(&[
                    "oauth::userinfo::a_signed_answer_does_not_pass_for_an_id_token",
                    "oauth::logout::a_bad_or_foreign_hint_gets_a_page",
                    "attacks::codes::each_secret_of_this_server_opens_its_own_doors_and_no_other",
                ]),
            ),
            (
                "forged assertions at every endpoint",
                Tests(&[
                    "attacks::jose::no_forged_assertion_proves_a_client_at_any_endpoint",
                    "attacks::jose::an_assertion_with_nul_in_its_names_is_refused",
                    "oauth::client_auth::an_assertion_by_another_key_or_without_signature_is_refused",
                ]),
            ),
        ],
    ),
    row(
        17,
        &[
            (
                "audience: the token endpoint, a list, another server",
                Tests(&[
                    "oauth::client_auth::an_assertion_must_be_for_this_server_by_this_client_and_short_lived",
                    "oauth::client_auth::the_token_endpoint_is_an_audience_only_where_the_client_is_registered_so",
                ]),
            ),
            (
                "replay, at once and at another endpoint",
                Tests(&[
                    "attacks::jose::an_assertion_is_used_up_wherever_it_was_presented_first",
                    "races::of_many_who_present_one_assertion_one_is_authenticated",
                    "oauth::client_auth::a_signed_assertion_proves_the_client_once",
                ]),
            ),
            (
                "times that are past, far ahead or none",
                Tests(&["attacks::jose::an_assertion_is_used_up_wherever_it_was_presented_first"]),
            ),
        ],
    ),
    row(
        18,
        &[
            (
                "dots, encrypted and compressed tokens, iterations, crit",
                Tests(&[
                    "attacks::jose::no_forged_token_is_believed_anywhere",
                    "attacks::jose::no_forged_assertion_proves_a_client_at_any_endpoint",
                ]),
            ),
            (
                "a megabyte of header or assertion",
                Tests(&[
                    "attacks::exhaustion::a_megabyte_in_any_header_or_parameter_is_refused",
                    "attacks::jose::no_forged_assertion_proves_a_client_at_any_endpoint",
                ]),
            ),
            ("nothing is unpacked", Tests(&["attacks::exhaustion::no_body_is_unpacked"])),
            ("it costs nothing", Unit("src/keys/hostile_tests.rs", "long_nonsense_costs_nothing")),
        ],
    ),
    row(
        19,
        &[
            (
                "secrets are found by their hash, and compared in constant time where they are compared",
                Tests(&["attacks::every_comparison_of_a_secret_takes_the_same_time"]),
            ),
            ("and so it measures", Measured("tests/fault/run TIMING")),
        ],
    ),
    row(
        20,
        &[
            (
                "headers of somebody who is no trusted proxy",
                Tests(&[
                    "attacks::pages::headers_of_an_untrusted_peer_change_nothing",
                    "attacks::sessions::behind_a_proxy_nobody_chooses_the_address_that_is_counted",
                    "appserver::header::nobody_else_is",
                    "log::only_a_trusted_proxy_says_which_trace_a_request_is_part_of",
                ]),
            ),
            (
                "client certificates in headers",
                NotApplicable(
                    "clients do not authenticate by certificates; such headers are among those that change nothing",
                ),
            ),
        ],
    ),
    row(
        21,
        &[
            (
                "introspection of another's token",
                Tests(&[
                    "oauth::introspect::a_token_that_is_meant_for_others_looks_inactive",
                    "oauth::introspect::a_refresh_token_is_described_to_its_client_alone",
                    "oauth::introspect::only_a_client_that_proves_itself_may_ask",
                    "me::pat::introspection_tells_clients_with_the_permission_only",
                ]),
            ),
            (
                "a token that comes by another carrier, or at another server",
                Tests(&[
                    "attacks::administration::a_token_counts_in_the_authorization_header_alone",
                    "attacks::jose::a_token_for_one_resource_server_is_for_no_other",
                    "oauth::userinfo::get_and_post_answer_the_same_and_only_the_header_carries_the_token",
                    "appserver::oauth::a_session_is_as_strong_as_what_was_granted",
                ]),
            ),
        ],
    ),
    row(
        22,
        &[(
            "properties and claims that would override the server's own",
            Tests(&[
                "attacks::jose::a_persons_properties_override_no_claim",
                "oauth::authorize::claims_that_are_asked_for_by_name_are_in_the_id_token_and_others_are_not",
                "iam::principals::document::nobody_assigns_what_belongs_to_the_server",
            ]),
        )],
    ),
    // Signing in
    row(
        23,
        &[
            ("guesses at once", Tests(&["races::guesses_in_parallel_do_not_slip_past_the_lockout"])),
            (
                "guesses by spellings",
                Tests(&["attacks::sessions::every_spelling_that_signs_in_shares_the_counter_of_the_name"]),
            ),
            (
                "guesses by other doors",
                Tests(&[
                    "me::password::guesses_count_and_block_as_logins_do",
                    "pages::password::guesses_at_the_present_password_are_throttled",
                    "appserver::login::guesses_here_and_on_the_sign_in_page_are_counted_together",
                ]),
            ),
            (
                "headers that change or poison the address",
                Tests(&[
                    "pages::login::many_accounts_guessed_from_one_address_slow_that_address_down",
                    "attacks::sessions::behind_a_proxy_nobody_chooses_the_address_that_is_counted",
                ]),
            ),
            (
                "a victim locked out for ever",
                Tests(&[
                    "attacks::sessions::knocking_at_a_closed_account_keeps_it_closed_no_longer",
                    "pages::login::a_device_that_is_known_is_not_locked_out_by_others",
                    "pages::login::a_delay_is_never_longer_than_the_longest",
                ]),
            ),
        ],
    ),
    row(
        24,
        &[
            (
                "guessed",
                Tests(&[
                    "me::email::guessing_secrets_from_one_address_is_slowed_down",
                    "sendings::verification::guesses_on_the_page_and_by_the_api_are_counted_together",
                ]),
            ),
            (
                "replayed, also at once",
                Tests(&[
                    "me::email::of_many_who_prove_at_once_one_wins",
                    "races::of_many_who_set_up_with_one_link_one_becomes_the_owner",
                    "pages::setup::a_link_works_once_for_a_day_and_a_newer_one_replaces_it",
                ]),
            ),
            (
                "used by another",
                Tests(&[
                    "me::email::every_proof_that_proves_nothing_gets_the_same_answer",
                    "sendings::verification::only_the_form_of_the_page_confirms_and_only_with_its_link",
                    "pages::password::the_ticket_works_in_its_own_browser_for_a_quarter_of_an_hour",
                ]),
            ),
            (
                "opened by a scanner",
                Tests(&[
                    "sendings::verification::an_address_is_changed_by_the_link_that_the_server_mails",
                    "pages::setup::opening_the_link_is_not_using_it",
                ]),
            ),
            ("codes and links that sign in", NO_RECOVERY),
        ],
    ),
    row(
        25,
        &[
            (
                "at the login, by text, status and size",
                Tests(&[
                    "pages::login::no_answer_tells_whether_an_account_exists",
                    "pages::login::an_unknown_account_is_throttled_like_a_known_one",
                    "appserver::login::unknown_wrong_locked_and_suspended_are_one_answer",
                ]),
            ),
            (
                "at a new email address",
                Tests(&["me::email::asking_for_an_address_does_not_tell_whether_somebody_has_it"]),
            ),
            ("of clients", Tests(&["oauth::client_auth::a_client_that_proves_nothing_is_told_so_in_its_own_scheme"])),
            ("by time", Measured("tests/fault/run TIMING")),
            ("at registration and recovery", NO_RECOVERY),
        ],
    ),
    row(
        26,
        &[
            (
                "the id changes when somebody signs in, proves it again, signs out or changes the password",
                Tests(&[
                    "pages::login::the_session_id_changes_when_somebody_signs_in",
                    "pages::password::changing_ones_own_password_needs_the_present_one_and_renews_the_session",
                ]),
            ),
            (
                "what was planted is not taken over",
                Tests(&[
                    "pages::login::the_session_id_changes_when_somebody_signs_in",
                    "attacks::sessions::a_programs_session_that_was_planted_is_not_taken_over",
                    "attacks::sessions::a_cookie_whose_name_is_padded_with_other_blanks_is_not_ours",
                ]),
            ),
        ],
    ),
    row(
        27,
        &[
            (
                "steps out of order, old or another's",
                Tests(&[
                    "pages::journey::steps_that_are_skipped_lead_back_to_what_is_missing",
                    "pages::consent::one_persons_answer_is_not_anothers",
                    "pages::consent::an_answer_is_bound_to_the_proof_that_it_was_given_under",
                    "pages::journey::an_hour_old_consent_page_begins_again_with_one_button",
                ]),
            ),
            (
                "a temporary password's page walked around",
                Tests(&["pages::password::a_temporary_password_opens_nothing_but_the_page_that_replaces_it"]),
            ),
            ("a second factor's page skipped", NO_SECOND_FACTOR),
        ],
    ),
    row(
        28,
        &[
            (
                "in links, redirects and metadata",
                Tests(&[
                    "attacks::pages::a_hostile_host_is_in_no_link_no_redirect_and_no_metadata",
                    "oauth::discovery::metadata_does_not_believe_the_host_header",
                ]),
            ),
            (
                "in mails",
                Tests(&[
                    "attacks::pages::mails_are_about_this_server_whatever_the_request_said",
                    "sendings::notices::a_verification_link_begins_with_the_configured_issuer",
                ]),
            ),
        ],
    ),
    row(
        29,
        &[
            (
                "a person, at the beginning, on the way and afterwards",
                Tests(&[
                    "iam::principals::effects::who_is_suspended_does_nothing_any_more_and_begins_anew_afterwards",
                    "attacks::sessions::what_is_suspended_on_the_way_does_not_arrive",
                    "oauth::token::a_code_of_a_person_who_was_suspended_is_worth_nothing",
                    "oauth::userinfo::a_suspended_persons_token_does_not_work",
                    "me::pat::suspension_ends_it_for_good",
                    "appserver::sessions::somebody_who_is_suspended_behind_its_back_is_out",
                ]),
            ),
            (
                "a client, at every endpoint",
                Tests(&[
                    "attacks::sessions::a_suspended_client_gets_nothing_at_any_endpoint",
                    "attacks::sessions::a_suspended_clients_own_token_and_permissions_are_gone",
                    "iam::clients::suspension::a_suspended_client_gets_nothing_and_what_it_had_does_not_come_back",
                ]),
            ),
            (
                "a role that is gone",
                Tests(&[
                    "iam::roles::a_changed_role_counts_at_the_next_request_of_old_tokens",
                    "oauth::token::what_the_person_has_lost_meanwhile_is_not_granted",
                ]),
            ),
            (
                "while it happens",
                Tests(&[
                    "iam::principals::races::no_session_that_began_during_a_suspension_comes_back_with_its_end",
                    "iam::principals::races::who_signs_in_while_being_deleted_is_gone_without_a_trace",
                ]),
            ),
        ],
    ),
    row(
        30,
        &[
            (
                "grants, methods and faces that are off",
                Tests(&[
                    "oauth::token::a_client_uses_only_the_grants_that_it_is_registered_for",
                    "oauth::client_auth::the_secret_may_come_in_the_header_or_the_body_as_registered",
                    "appserver::requests::it_is_where_it_is_configured_or_nowhere",
                    "appserver::oauth::without_the_module_no_token_counts",
                    "openapi::the_viewer_can_be_switched_off_and_its_client_with_it",
                ]),
            ),
            (
                "what this server does not offer at all",
                Tests(&["attacks::codes::what_this_server_does_not_offer_is_not_there"]),
            ),
            (
                "the set-up of the first owner, raced or repeated",
                Tests(&[
                    "races::of_many_who_set_up_with_one_link_one_becomes_the_owner",
                    "pages::setup::without_the_link_nobody_sets_up",
                    "pages::setup::a_suspended_first_owner_does_not_open_the_set_up_again",
                ]),
            ),
            ("registration that is off", NO_RECOVERY),
        ],
    ),
    row(
        31,
        &[
            (
                "a new password",
                Tests(&[
                    "me::password::a_new_password_ends_all_sessions_but_ones_own",
                    "pages::password::changing_ones_own_password_needs_the_present_one_and_renews_the_session",
                ]),
            ),
            (
                "signing out",
                Tests(&[
                    "pages::account::signing_out_takes_a_decision_in_ones_own_browser",
                    "oauth::logout::an_id_token_of_the_session_signs_out_and_leads_back_with_state",
                ]),
            ),
            (
                "suspension",
                Tests(&[
                    "pages::login::a_suspended_person_is_signed_out_everywhere",
                    "appserver::sessions::it_ends_with_all_that_ends_sessions",
                ]),
            ),
            (
                "what a thief took of a browser that stays signed in",
                Tests(&["attacks::sessions::what_a_thief_took_out_of_a_browser_is_ended_from_elsewhere"]),
            ),
        ],
    ),
    row(
        32,
        &[
            (
                "a name that is another's email",
                Tests(&[
                    "attacks::sessions::a_name_in_ones_own_properties_is_nobodys_login",
                    "iam::principals::races::of_many_who_want_one_email_one_gets_it",
                ]),
            ),
            (
                "an address that is not proven",
                Tests(&[
                    "me::email::an_application_that_is_not_trusted_learns_no_secret",
                    "iam::principals::document::what_was_proven_of_an_old_address_says_nothing_about_a_new_one",
                ]),
            ),
            (
                "a flag that one sets oneself",
                Tests(&[
                    "me::profile::nothing_that_is_not_the_persons_own_is_set_through_the_profile",
                    "iam::takeover::nobody_proves_their_own_address_or_resets_their_own_password_by_the_administrators_way",
                ]),
            ),
            (
                "accounts linked by what a directory says",
                Tests(&["appserver::directory::an_entry_names_the_principal_whose_email_it_has"]),
            ),
        ],
    ),
    // Consent, CSRF, pages
    row(
        33,
        &[
            (
                "approved by another session or a forged form",
                Tests(&[
                    "pages::consent::a_forged_answer_allows_nothing",
                    "pages::consent::one_persons_answer_is_not_anothers",
                    "attacks::pages::no_form_of_a_page_is_taken_from_elsewhere",
                ]),
            ),
            (
                "used for another redirect host",
                Tests(&[
                    "pages::consent::consent_is_remembered_for_the_client_and_the_host_that_were_shown",
                    "attacks::redirects::a_public_client_with_a_scheme_of_its_own_is_asked_for_each_time",
                ]),
            ),
            (
                "skipped by prompt=none or by claims",
                Tests(&[
                    "oauth::authorize::prompt_none_shows_no_page",
                    "attacks::pages::the_claims_parameter_passes_neither_consent_nor_registration",
                ]),
            ),
        ],
    ),
    row(
        34,
        &[
            (
                "scripts and styles in everything that pages show",
                Tests(&["attacks::pages::what_somebody_sends_is_text_on_every_page"]),
            ),
            (
                "in mails",
                Tests(&[
                    "attacks::pages::mails_are_about_this_server_whatever_the_request_said",
                    "sendings::requests::nothing_that_is_handed_in_becomes_a_header",
                ]),
            ),
            (
                "JSON taken for a page",
                Tests(&["attacks::pages::what_somebody_sends_to_an_api_is_never_answered_as_a_page"]),
            ),
            (
                "headers of answers",
                Tests(&["attacks::redirects::nothing_that_is_sent_along_becomes_a_header_of_the_answer"]),
            ),
            ("names that pass for others", Tests(&["iam::takeover::names_are_not_mistaken_for_others"])),
        ],
    ),
    row(
        35,
        &[
            (
                "frames, caches, Referer",
                Tests(&[
                    "pages::account::no_page_is_cached_framed_or_tells_where_somebody_came_from",
                    "sendings::verification::an_address_is_changed_by_the_link_that_the_server_mails",
                ]),
            ),
            (
                "scripts of other sites",
                Tests(&[
                    "attacks::pages::no_script_of_another_site_reads_an_api_or_acts_with_cookies",
                    "server::browsers_of_public_clients_may_read_the_answers_but_never_with_cookies",
                    "server::other_answers_are_not_for_other_sites_scripts",
                    "appserver::requests::another_sites_page_signs_nobody_in_or_out",
                ]),
            ),
        ],
    ),
    // Outgoing requests, injection, exhaustion
    row(
        36,
        &[
            (
                "addresses inside, in every spelling",
                Tests(&["attacks::outgoing::no_spelling_of_an_address_inside_is_connected_to"]),
            ),
            (
                "addresses inside that this machine does not have",
                Unit("src/fetch/tests.rs", "urls_that_lead_inside_are_refused_without_a_connection"),
            ),
            ("redirects to them", Tests(&["attacks::outgoing::an_answer_from_outside_leads_nowhere_inside"])),
            ("answers without end", Tests(&["attacks::outgoing::an_endless_or_enormous_answer_is_not_taken"])),
            ("several addresses of a name", Unit("src/fetch/tests.rs", "every_address_of_a_name_must_be_allowed")),
            (
                "a name that is bound anew",
                Unit("src/fetch/tests.rs", "a_name_cannot_be_rebound_between_check_and_connection"),
            ),
            ("an answer that drips", Unit("src/fetch/tests.rs", "a_slow_answer_is_given_up_in_time")),
            (
                "other addresses that are registered",
                Tests(&["attacks::outgoing::no_other_address_that_is_registered_is_ever_fetched"]),
            ),
            (
                "sector identifiers, webhooks, back-channel logout",
                NotApplicable("the server asks none of these: key sets are all that it fetches"),
            ),
        ],
    ),
    row(
        37,
        &[
            (
                "filters, orders, wildcards",
                Tests(&[
                    "attacks::exhaustion::nothing_in_a_query_is_read_as_another_query",
                    "attacks::exhaustion::quotes_and_wildcards_in_a_look_up_find_nothing",
                    "listing::pages_forward_and_backward_are_the_whole_list_in_order",
                ]),
            ),
            (
                "filters of a directory",
                Tests(&["appserver::directory::an_entry_names_the_principal_whose_email_it_has"]),
            ),
            (
                "cursors",
                Tests(&[
                    "iam::lists::a_list_has_one_shape_and_walks_both_ways",
                    "graph::dialects::a_cursor_is_for_its_query_alone",
                    "attacks::codes::what_is_sealed_or_kept_in_a_cookie_has_one_spelling",
                ]),
            ),
        ],
    ),
    row(
        38,
        &[
            (
                "headers and parameters",
                Tests(&[
                    "attacks::exhaustion::a_megabyte_in_any_header_or_parameter_is_refused",
                    "attacks::exhaustion::what_is_too_much_is_refused",
                ]),
            ),
            (
                "scopes",
                Tests(&[
                    "attacks::exhaustion::what_is_too_much_is_refused",
                    "attacks::exhaustion::many_consented_scopes_lock_nobody_out",
                    "attacks::exhaustion::a_wildcard_over_too_many_permissions_is_refused_and_not_an_error_of_ours",
                ]),
            ),
            ("depth", Tests(&["attacks::exhaustion::what_is_nested_without_end_is_refused_by_every_face"])),
            (
                "bodies",
                Tests(&[
                    "attacks::exhaustion::a_body_without_end_is_answered_before_its_end",
                    "attacks::exhaustion::no_body_is_unpacked",
                ]),
            ),
            ("a body that drips", Unit("src/server/body.rs", "a_body_that_drips_is_given_up")),
            (
                "lists",
                Tests(&[
                    "iam::clients::rules::lists_are_bounded",
                    "graph::dialects::what_is_no_query_is_refused_with_the_place_and_what_was_expected",
                ]),
            ),
        ],
    ),
    row(
        39,
        &[
            (
                "passwords that are too long, and logins that are too many",
                Tests(&[
                    "attacks::exhaustion::a_password_is_hashed_only_if_it_is_short_enough_and_there_is_room",
                    "pages::login::an_enormous_password_is_refused_without_hashing_it",
                ]),
            ),
            ("memory in a storm of logins", Measured("tests/fault/run R6")),
        ],
    ),
    row(
        40,
        &[
            (
                "hosts, lengths, codings, folds, chunks",
                Tests(&[
                    "attacks::exhaustion::a_request_has_one_host_and_one_meaning",
                    "attacks::exhaustion::a_request_whose_end_is_in_doubt_is_not_two_requests",
                    "attacks::exhaustion::a_body_without_end_is_answered_before_its_end",
                ]),
            ),
            (
                "paths",
                Tests(&[
                    "attacks::exhaustion::no_spelling_of_a_path_gets_around_a_permission",
                    "attacks::exhaustion::tricks_with_paths_reach_nothing",
                ]),
            ),
        ],
    ),
    // Administration
    row(
        41,
        &[(
            "each route with each permission",
            Tests(&[
                "permissions::every_route_allows_exactly_its_permission",
                "permissions::the_table_has_every_route",
                "openapi::each_operation_needs_the_permission_that_it_says_and_no_other",
            ]),
        )],
    ),
    row(
        42,
        &[
            (
                "by self service",
                Tests(&["me::profile::nothing_that_is_not_the_persons_own_is_set_through_the_profile"]),
            ),
            (
                "by administration and import",
                Tests(&[
                    "attacks::administration::what_belongs_to_the_server_is_set_by_no_import_and_no_other_way",
                    "iam::clients::document::what_the_server_says_about_a_client_cannot_be_said_by_others",
                    "iam::principals::document::nobody_assigns_what_belongs_to_the_server",
                ]),
            ),
            ("by registration", NO_RECOVERY),
        ],
    ),
    row(
        43,
        &[
            (
                "to oneself",
                Tests(&[
                    "attacks::administration::nobody_widens_what_they_hold_themselves_by_any_route",
                    "iam::principals::guard::nobody_gives_anything_to_themselves",
                    "iam::clients::guard::nobody_gives_to_themselves",
                ]),
            ),
            (
                "to others",
                Tests(&[
                    "iam::principals::guard::nobody_gives_what_they_do_not_hold",
                    "iam::clients::guard::nobody_gives_a_client_what_they_do_not_hold",
                    "iam::roles::nobody_makes_a_role_that_allows_more_than_they_hold",
                    "iam::apply::nobody_rises_by_applying_a_file",
                    "me::pat::no_token_makes_one_that_is_stronger_than_itself",
                ]),
            ),
            (
                "by taking over who holds it",
                Tests(&[
                    "iam::principals::guard::who_holds_less_takes_nobody_over",
                    "iam::clients::guard::a_client_that_holds_more_is_nobodys_to_change",
                    "iam::takeover::only_owners_make_applications_that_get_permissions_without_asking",
                ]),
            ),
        ],
    ),
    row(
        44,
        &[(
            "tokens that make or become others",
            Tests(&[
                "attacks::administration::no_token_becomes_a_longer_or_a_stronger_one_at_another_face",
                "me::pat::no_token_makes_one_that_is_stronger_than_itself",
                "me::pat::a_personal_access_token_makes_no_other_and_takes_over_nothing",
                "oauth::refresh::a_wider_scope_is_refused_and_costs_nothing",
                "iam::takeover::an_answer_is_given_again_only_to_a_token_that_allows_the_same",
            ]),
        )],
    ),
    row(
        45,
        &[
            (
                "guessed ids",
                Tests(&[
                    "attacks::administration::what_is_anothers_cannot_be_told_from_what_is_not_there",
                    "me::sessions::nobody_sees_or_ends_anothers_session",
                    "me::pat::nobody_sees_or_ends_anothers_tokens",
                    "iam::principals::guard::conditional_callers_see_and_change_their_own_part_only",
                ]),
            ),
            (
                "ids used again",
                Tests(&[
                    "iam::clients::document::ids_are_never_used_again",
                    "attacks::administration::what_is_anothers_cannot_be_told_from_what_is_not_there",
                ]),
            ),
            (
                "totals and tables",
                Tests(&[
                    "iam::lists::a_list_shows_and_counts_what_the_caller_may_see",
                    "graph::access::hidden_identities_cannot_be_told_from_none",
                    "graph::access::events_of_ones_own_region_do_not_tell_of_others",
                ]),
            ),
            (
                "what a file or a refusal tells",
                Tests(&["iam::apply::who_may_not_read_learns_nothing_about_who_is_there"]),
            ),
        ],
    ),
    row(
        46,
        &[(
            "an owner remains",
            Tests(&[
                "iam::principals::races::two_owners_who_remove_each_other_leave_one",
                "iam::principals::races::of_two_owners_who_are_removed_at_once_one_remains",
                "iam::principals::guard::the_last_owner_stays",
                "iam::takeover::the_last_owner_keeps_an_email_to_sign_in_with",
            ]),
        )],
    ),
];

/// The requirements.
pub const ASVS: [Requirement; 41] = [
    asvs(
        "10.4.1",
        &[(
            "redirect URIs are compared to a registered list, character by character",
            Tests(&["attacks::redirects::no_change_of_one_character_to_a_redirect_uri_is_accepted"]),
        )],
    ),
    asvs(
        "10.4.2",
        &[(
            "a code is good once, and a replay revokes",
            Tests(&[
                "oauth::token::a_code_is_redeemed_once",
                "oauth::token::a_code_is_not_redeemed_again_after_half_a_minute_or_an_hour",
            ]),
        )],
    ),
    asvs("10.4.3", &[("a code lives a minute", Tests(&["oauth::token::a_code_lives_sixty_seconds"]))]),
    asvs(
        "10.4.4",
        &[(
            "only the grants of a client; neither implicit nor password",
            Tests(&[
                "oauth::token::a_client_uses_only_the_grants_that_it_is_registered_for",
                "attacks::codes::what_this_server_does_not_offer_is_not_there",
            ]),
        )],
    ),
    asvs(
        "10.4.5",
        &[
            (
                "refresh tokens are rotated and replays noticed",
                Tests(&[
                    "oauth::refresh::a_replay_after_the_window_revokes_the_grant",
                    "oauth::refresh::a_replay_after_the_successor_was_used_revokes_the_grant_even_within_the_window",
                ]),
            ),
            ("bound to a sender", NotApplicable("neither DPoP nor certificate-bound tokens are there yet (level 3)")),
        ],
    ),
    asvs(
        "10.4.6",
        &[(
            "PKCE by S256",
            Tests(&[
                "oauth::authorize::a_public_client_must_use_pkce_whatever_its_registration_says",
                "oauth::authorize::only_s256_is_a_challenge_method",
                "attacks::codes::no_face_lets_a_challenge_be_dropped",
            ]),
        )],
    ),
    asvs("10.4.7", &[("dynamic registration", NotApplicable("clients are registered by administrators only"))]),
    asvs(
        "10.4.8",
        &[(
            "refresh tokens end for good",
            Tests(&["oauth::refresh::a_grant_ends_after_half_a_year_however_often_it_is_refreshed"]),
        )],
    ),
    asvs(
        "10.4.9",
        &[(
            "people end what they granted",
            Tests(&[
                "me::consents::a_person_sees_and_disconnects_applications",
                "me::sessions::a_session_that_is_ended_takes_what_was_granted_in_it_along",
                "oauth::token::a_client_may_have_opaque_access_tokens",
            ]),
        )],
    ),
    asvs(
        "10.4.10",
        &[(
            "confidential clients prove themselves at every endpoint",
            Tests(&[
                "oauth::client_auth::a_confidential_client_does_not_pass_for_a_public_one",
                "oauth::revoke::a_caller_that_proves_nothing_revokes_nothing",
                "oauth::introspect::only_a_client_that_proves_itself_may_ask",
            ]),
        )],
    ),
    asvs(
        "10.4.11",
        &[(
            "a client gets the scopes that it is registered for",
            Tests(&[
                "oauth::authorize::granted_is_what_was_asked_for_and_the_client_may_have_and_the_person_holds",
                "oauth::token::a_client_acts_for_itself",
            ]),
        )],
    ),
    asvs(
        "10.4.12",
        &[
            ("response modes are checked", Tests(&["oauth::authorize::an_unknown_response_mode_is_told_in_the_query"])),
            (
                "per client",
                NotApplicable("a client may use each of the two modes that there are, query and form_post (level 3)"),
            ),
        ],
    ),
    asvs("10.4.13", &[("pushed authorization requests", NotApplicable("PAR is not there yet (level 3)"))]),
    asvs(
        "10.4.14",
        &[(
            "sender-constrained access tokens",
            NotApplicable("neither DPoP nor certificate-bound tokens are there yet (level 3)"),
        )],
    ),
    asvs("10.4.15", &[("authorization_details", NotApplicable("rich authorization requests are not there (level 3)"))]),
    asvs(
        "10.4.16",
        &[(
            "keys instead of secrets",
            Tests(&[
                "oauth::client_auth::a_signed_assertion_proves_the_client_once",
                "attacks::jose::no_forged_assertion_proves_a_client_at_any_endpoint",
            ]),
        )],
    ),
    asvs("10.6.1", &[("response types", Tests(&["attacks::codes::what_this_server_does_not_offer_is_not_there"]))]),
    asvs(
        "10.6.2",
        &[(
            "nobody is signed out by force",
            Tests(&[
                "oauth::logout::an_application_that_proves_nothing_has_the_person_asked",
                "oauth::logout::another_persons_hint_does_not_sign_out",
                "oauth::logout::an_id_token_without_the_browsers_cookie_ends_nothing",
            ]),
        )],
    ),
    asvs(
        "10.7.1",
        &[(
            "consent, each time where the client cannot be told from another",
            Tests(&[
                "attacks::redirects::a_public_client_with_a_scheme_of_its_own_is_asked_for_each_time",
                "pages::consent::consent_is_remembered_and_only_what_is_new_is_asked_again",
                "openapi::the_viewers_client_is_built_in_and_asks_for_consent_each_time",
            ]),
        )],
    ),
    asvs(
        "10.7.2",
        &[(
            "the question says who asks for what, and how long",
            Tests(&["pages::consent::the_page_tells_who_asks_for_what_and_where_the_answer_goes"]),
        )],
    ),
    asvs(
        "10.7.3",
        &[("consents are seen and taken back", Tests(&["me::consents::a_person_sees_and_disconnects_applications"]))],
    ),
    // V6: authentication
    asvs(
        "6.2.1",
        &[
            (
                "rules for chosen passwords, composition, length, strength and the present one",
                Tests(&[
                    "pages::password::what_is_wrong_with_a_new_password_is_told",
                    "me::password::what_is_wrong_with_a_new_password_is_told_rule_by_rule",
                    "pages::setup::what_is_wrong_is_told_and_what_was_typed_is_kept",
                ]),
            ),
            (
                "compared whole, as typed",
                Tests(&["attacks::sessions::a_password_is_compared_whole_and_as_it_was_typed"]),
            ),
        ],
    ),
    asvs(
        "6.2.2",
        &[(
            "people change their password, by the present one",
            Tests(&[
                "pages::password::changing_ones_own_password_needs_the_present_one_and_renews_the_session",
                "me::password::a_new_password_ends_all_sessions_but_ones_own",
            ]),
        )],
    ),
    asvs(
        "6.3.1",
        &[(
            "guessing is slowed down",
            Tests(&[
                "pages::login::delays_grow_and_are_told",
                "races::guesses_in_parallel_do_not_slip_past_the_lockout",
            ]),
        )],
    ),
    asvs(
        "6.3.2",
        &[(
            "no account is there from the start",
            Tests(&["attacks::sessions::a_fresh_server_knows_no_account_and_no_client_that_could_act"]),
        )],
    ),
    asvs("6.3.3", &[("more than one factor", NO_SECOND_FACTOR)]),
    asvs(
        "6.3.4",
        &[(
            "every way in is as strong as the others",
            Tests(&[
                "appserver::login::guesses_here_and_on_the_sign_in_page_are_counted_together",
                "appserver::modules::every_template_filled_in_is_a_login",
            ]),
        )],
    ),
    asvs(
        "6.3.5",
        &[(
            "people are told of a sign-in by a new browser and of a new address",
            Tests(&[
                "sendings::notices::who_signs_in_with_another_browser_is_told",
                "sendings::verification::an_address_is_changed_by_the_link_that_the_server_mails",
            ]),
        )],
    ),
    asvs(
        "6.3.8",
        &[(
            "nobody learns who has an account",
            Tests(&[
                "pages::login::no_answer_tells_whether_an_account_exists",
                "me::email::asking_for_an_address_does_not_tell_whether_somebody_has_it",
            ]),
        )],
    ),
    asvs(
        "6.4",
        &[
            (
                "a password that an administrator resets is random, ends, and is no choice of theirs",
                Tests(&[
                    "iam::principals::effects::a_password_that_was_reset_is_good_for_choosing_another_only",
                    "iam::principals::effects::a_reset_that_is_asked_for_again_gives_the_same_password",
                    "pages::password::a_temporary_password_expires",
                ]),
            ),
            ("recovery by oneself", NO_RECOVERY),
        ],
    ),
    asvs("6.5", &[("second factors, codes out of band and authenticators", NO_SECOND_FACTOR)]),
    asvs(
        "6.8",
        &[(
            "what another provider says about somebody",
            Tests(&[
                "appserver::directory::the_connection_is_encrypted_and_the_certificate_is_compared",
                "appserver::directory::an_empty_password_never_signs_in",
                "appserver::header::nobody_else_is",
            ]),
        )],
    ),
    // V7: sessions
    asvs(
        "7.2",
        &[(
            "sessions are known by a random secret of 256 bits, checked here, new at each proof",
            Tests(&[
                "pages::login::the_session_id_changes_when_somebody_signs_in",
                "attacks::codes::what_is_sealed_or_kept_in_a_cookie_has_one_spelling",
                "appserver::requests::the_example_of_the_guide_signs_in_and_out",
            ]),
        )],
    ),
    asvs(
        "7.3",
        &[(
            "they end when idle, and in any case",
            Tests(&[
                "pages::login::a_session_that_is_not_kept_ends_after_twelve_hours_and_a_kept_one_when_idle_for_a_day",
                "appserver::sessions::it_ends_after_its_time_however_it_is_used",
            ]),
        )],
    ),
    asvs(
        "7.4",
        &[(
            "they end by signing out, suspension, deletion, a new password, and an administrator",
            Tests(&[
                "pages::account::signing_out_takes_a_decision_in_ones_own_browser",
                "iam::principals::effects::who_is_deleted_is_gone",
                "me::password::other_sessions_go_on_where_the_person_wishes_it",
                "iam::principals::sessions::a_session_that_is_ended_takes_its_tokens_along",
            ]),
        )],
    ),
    asvs(
        "7.5",
        &[
            (
                "people see and end them",
                Tests(&[
                    "me::sessions::a_person_sees_where_they_are_signed_in",
                    "attacks::sessions::what_a_thief_took_out_of_a_browser_is_ended_from_elsewhere",
                ]),
            ),
            (
                "a new address is proven, and the old one told",
                Tests(&["sendings::verification::an_address_is_changed_by_the_link_that_the_server_mails"]),
            ),
        ],
    ),
    asvs(
        "7.6",
        &[(
            "applications learn when somebody proved who they are, and have it proven again",
            Tests(&[
                "oauth::authorize::max_age_counts_from_the_real_authentication",
                "oauth::authorize::prompt_login_asks_although_a_session_exists_and_moves_auth_time",
            ]),
        )],
    ),
    // V9: self-contained tokens
    asvs(
        "9.1",
        &[(
            "signature, algorithm and key",
            Tests(&[
                "attacks::jose::no_forged_token_is_believed_anywhere",
                "attacks::jose::no_forged_token_opens_an_api_a_program_or_the_logout",
                "oauth::jwks::public_keys_are_published_and_nothing_private",
            ]),
        )],
    ),
    asvs("9.2.1", &[("time", Tests(&["oauth::token::an_access_token_lives_ten_minutes_or_as_its_client_has_it"]))]),
    asvs(
        "9.2.2",
        &[(
            "type",
            Tests(&[
                "attacks::codes::each_secret_of_this_server_opens_its_own_doors_and_no_other",
                "oauth::userinfo::a_signed_answer_does_not_pass_for_an_id_token",
            ]),
        )],
    ),
    asvs(
        "9.2.3",
        &[(
            "audience, one of each receiver",
            Tests(&[
                "attacks::jose::a_token_for_one_resource_server_is_for_no_other",
                "oauth::token::an_access_token_is_for_the_resources_that_were_asked_for",
                "attacks::jose::a_token_of_another_server_with_the_same_keys_is_worth_nothing",
                "iam::clients::rules::a_resource_has_one_client",
            ]),
        )],
    ),
];
