//! The tables, as both migrations make them.

#![allow(missing_docs)]

diesel::table! {
    generation (id) {
        id -> BigInt,
        value -> BigInt,
    }
}

diesel::table! {
    master_key (id) {
        id -> BigInt,
        fingerprint -> Text,
    }
}

diesel::table! {
    identity (id) {
        id -> Text,
        kind -> Text,
        deleted_at -> Nullable<BigInt>,
        access_version -> BigInt,
    }
}

diesel::table! {
    role_generation (id) {
        id -> BigInt,
        value -> BigInt,
    }
}

diesel::table! {
    audit_event (id) {
        id -> Text,
        at -> BigInt,
        action -> Text,
        outcome -> Text,
        code -> Nullable<Text>,
        actor_kind -> Text,
        actor_id -> Nullable<Text>,
        client_id -> Nullable<Text>,
        ip_address -> Nullable<Text>,
        request_id -> Text,
        target_kind -> Text,
        target_id -> Nullable<Text>,
        changes -> Text,
        occurrences -> BigInt,
        position -> Nullable<BigInt>,
        hash -> Nullable<Text>,
    }
}

diesel::table! {
    audit_seal (id) {
        id -> BigInt,
        position -> BigInt,
        hash -> Text,
        holder -> Nullable<Text>,
        held_until -> BigInt,
    }
}

diesel::table! {
    audit_key (kid) {
        kid -> Text,
        sealed_private -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    audit_checkpoint (position) {
        position -> BigInt,
        at -> BigInt,
        token -> Text,
    }
}

diesel::table! {
    audit_cut (position) {
        position -> BigInt,
        at -> BigInt,
        token -> Text,
    }
}

diesel::table! {
    idempotency (hash) {
        hash -> Text,
        request -> Text,
        sealed_answer -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    principal (id) {
        id -> Text,
        email -> Nullable<Text>,
        email_key -> Nullable<Text>,
        email_verified -> Bool,
        name -> Nullable<Text>,
        phone -> Nullable<Text>,
        phone_verified -> Bool,
        picture -> Nullable<Text>,
        properties -> Text,
        settings -> Text,
        acl -> Text,
        access_attributes -> Text,
        system_user -> Bool,
        password_hash -> Nullable<Text>,
        password_changed_at -> Nullable<BigInt>,
        password_temporary -> Bool,
        password_expires_at -> Nullable<BigInt>,
        suspended_at -> Nullable<BigInt>,
        last_active_at -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
        etag -> Text,
        seq -> Nullable<BigInt>,
        name_key -> Nullable<Text>,
    }
}

diesel::table! {
    role (key) {
        key -> Text,
        description -> Nullable<Text>,
        acl -> Text,
        system -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
        etag -> Text,
    }
}

diesel::table! {
    identity_role (identity_id, role_key) {
        identity_id -> Text,
        role_key -> Text,
    }
}

diesel::table! {
    client (id) {
        id -> Text,
        name -> Text,
        description -> Nullable<Text>,
        redirect_uris -> Text,
        post_logout_redirect_uris -> Text,
        grant_types -> Text,
        scopes -> Text,
        token_endpoint_auth_method -> Text,
        first_party -> Bool,
        metadata -> Text,
        acl -> Text,
        access_attributes -> Text,
        suspended_at -> Nullable<BigInt>,
        system_client -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
        etag -> Text,
        seq -> Nullable<BigInt>,
        name_key -> Nullable<Text>,
    }
}

diesel::table! {
    client_resource (uri) {
        uri -> Text,
        client_id -> Text,
    }
}

diesel::table! {
    client_secret (id) {
        id -> Text,
        client_id -> Text,
        hash -> Text,
        hint -> Text,
        description -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    session (id) {
        id -> Text,
        principal_id -> Text,
        secret_hash -> Text,
        auth_time -> BigInt,
        amr -> Text,
        acr -> Text,
        persistent -> Bool,
        created_at -> BigInt,
        last_active_at -> BigInt,
        idle_expires_at -> BigInt,
        expires_at -> BigInt,
        ip_address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    appserver_session (id) {
        id -> Text,
        secret_hash -> Text,
        module -> Text,
        session_id -> Nullable<Text>,
        client_id -> Nullable<Text>,
        client_secret_id -> Nullable<Text>,
        grant_id -> Nullable<Text>,
        token_jti -> Nullable<Text>,
        token_issued_at -> Nullable<BigInt>,
        scope -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    oauth_grant (id) {
        id -> Text,
        client_id -> Text,
        principal_id -> Text,
        session_id -> Nullable<Text>,
        scope -> Text,
        details -> Text,
        auth_time -> BigInt,
        offline -> Bool,
        created_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    authorization_code (hash) {
        hash -> Text,
        grant_id -> Text,
        client_id -> Text,
        principal_id -> Text,
        session_id -> Text,
        redirect_uri -> Text,
        redirect_uri_sent -> Bool,
        scope -> Text,
        code_challenge -> Nullable<Text>,
        details -> Text,
        auth_time -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
        purge_at -> BigInt,
    }
}

diesel::table! {
    refresh_token (hash) {
        hash -> Text,
        grant_id -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
        successor_hash -> Nullable<Text>,
        sealed_successor -> Nullable<Text>,
        replay_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    revoked_token (jti) {
        jti -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    assertion_jti (hash) {
        hash -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    consent (principal_id, client_id, redirect_host) {
        principal_id -> Text,
        client_id -> Text,
        redirect_host -> Text,
        scope -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    signing_key (kid) {
        kid -> Text,
        algorithm -> Text,
        public_jwk -> Text,
        sealed_private -> Text,
        created_at -> BigInt,
        activates_at -> BigInt,
    }
}

diesel::table! {
    setup (id) {
        id -> BigInt,
        identity_id -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    setup_link (id) {
        id -> BigInt,
        hash -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    personal_access_token (id) {
        id -> Text,
        hash -> Text,
        principal_id -> Text,
        client_id -> Text,
        name -> Text,
        scope -> Text,
        hint -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    email_change (principal_id) {
        principal_id -> Text,
        email -> Text,
        hash -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    throttle (key) {
        key -> Text,
        failures -> BigInt,
        blocked_until -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    sending (id) {
        id -> Text,
        category -> Nullable<Text>,
        created_at -> BigInt,
        recipient -> Text,
        status -> Text,
        retry_count -> BigInt,
        error_message -> Nullable<Text>,
        processed_at -> Nullable<BigInt>,
        sent_at -> Nullable<BigInt>,
        transport -> Text,
        dynamic -> Nullable<Text>,
        last_modified -> BigInt,
        sealed_content -> Nullable<Text>,
        created_by -> Nullable<Text>,
        due_at -> Nullable<BigInt>,
        lease -> Nullable<Text>,
        purge_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    mail_pace (key) {
        key -> Text,
        used_until -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    generation,
    master_key,
    identity,
    role_generation,
    audit_event,
    audit_seal,
    audit_key,
    audit_checkpoint,
    audit_cut,
    idempotency,
    principal,
    role,
    identity_role,
    client,
    client_resource,
    client_secret,
    session,
    appserver_session,
    oauth_grant,
    authorization_code,
    refresh_token,
    revoked_token,
    assertion_jti,
    consent,
    personal_access_token,
    email_change,
    signing_key,
    setup,
    setup_link,
    throttle,
    sending,
    mail_pace
);
