/* Code generated from gateway/referral_table.go; make generate. DO NOT EDIT. */

mtype = { s_none, s_aangemeld, s_in_onderzoek, s_kennismaking_gepland, s_kennismaking_gehouden, s_kennismaking_gemist, s_wachtlijst, s_geaccepteerd, s_overdracht_gevraagd, s_overgedragen, s_gestart, s_onderbroken, s_hervat, s_annulering_verzocht, s_afgewezen, s_beeindigd, s_geannuleerd, s_teruggetrokken, s_foutief_ingevoerd }
mtype = { a_refer, a_investigate, a_plan_introduction, a_introduction_held, a_introduction_missed, a_ask_introduction, a_waitlist, a_accept, a_decline, a_ask_handover, a_handover, a_start, a_hold, a_resume, a_end, a_withdraw, a_cancel, a_confirm_cancellation, a_entered_in_error, a_recover }
mtype = { nobody, provider, referrer }

#define FINAL(s) ((s) == s_afgewezen || (s) == s_beeindigd || (s) == s_geannuleerd || (s) == s_teruggetrokken || (s) == s_foutief_ingevoerd)
#define BOOKED(s) ((s) == s_geaccepteerd || (s) == s_overdracht_gevraagd || (s) == s_overgedragen || (s) == s_gestart || (s) == s_onderbroken || (s) == s_hervat || (s) == s_annulering_verzocht)
#define OF_PROVIDER(s) ((s) == s_aangemeld || (s) == s_in_onderzoek || (s) == s_kennismaking_gepland || (s) == s_kennismaking_gehouden || (s) == s_wachtlijst || (s) == s_geaccepteerd || (s) == s_overgedragen || (s) == s_gestart || (s) == s_onderbroken || (s) == s_hervat || (s) == s_annulering_verzocht)
#define OF_REFERRER(s) ((s) == s_kennismaking_gemist || (s) == s_overdracht_gevraagd)
#define PROVIDER_CAN(s) ((s) == s_aangemeld || (s) == s_in_onderzoek || (s) == s_kennismaking_gepland || (s) == s_kennismaking_gehouden || (s) == s_kennismaking_gemist || (s) == s_wachtlijst || (s) == s_geaccepteerd || (s) == s_overdracht_gevraagd || (s) == s_overgedragen || (s) == s_gestart || (s) == s_onderbroken || (s) == s_hervat || (s) == s_annulering_verzocht)
#define REFERRER_CAN(s) ((s) == s_aangemeld || (s) == s_in_onderzoek || (s) == s_kennismaking_gepland || (s) == s_kennismaking_gehouden || (s) == s_kennismaking_gemist || (s) == s_wachtlijst || (s) == s_geaccepteerd || (s) == s_overdracht_gevraagd || (s) == s_overgedragen || (s) == s_gestart || (s) == s_onderbroken || (s) == s_hervat || (s) == s_annulering_verzocht)
#define OWNER(s) (OF_PROVIDER(s) -> provider : (OF_REFERRER(s) -> referrer : nobody))
#define CAN(who, s) ((who) == provider && PROVIDER_CAN(s) || (who) == referrer && REFERRER_CAN(s))

/* to is where act leads in the state from, s_none if nowhere */
inline next() {
	if
	:: from == s_none && act == a_refer -> to = s_aangemeld
	:: from == s_aangemeld && act == a_investigate -> to = s_in_onderzoek
	:: from == s_aangemeld && act == a_plan_introduction -> to = s_kennismaking_gepland
	:: from == s_aangemeld && act == a_waitlist -> to = s_wachtlijst
	:: from == s_aangemeld && act == a_accept -> to = s_geaccepteerd
	:: from == s_aangemeld && act == a_decline -> to = s_afgewezen
	:: from == s_aangemeld && act == a_withdraw -> to = s_teruggetrokken
	:: from == s_aangemeld && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: from == s_in_onderzoek && act == a_plan_introduction -> to = s_kennismaking_gepland
	:: from == s_in_onderzoek && act == a_waitlist -> to = s_wachtlijst
	:: from == s_in_onderzoek && act == a_accept -> to = s_geaccepteerd
	:: from == s_in_onderzoek && act == a_decline -> to = s_afgewezen
	:: from == s_in_onderzoek && act == a_withdraw -> to = s_teruggetrokken
	:: from == s_in_onderzoek && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: from == s_kennismaking_gepland && act == a_plan_introduction -> to = s_kennismaking_gepland
	:: from == s_kennismaking_gepland && act == a_introduction_held -> to = s_kennismaking_gehouden
	:: from == s_kennismaking_gepland && act == a_introduction_missed -> to = s_kennismaking_gemist
	:: from == s_kennismaking_gepland && act == a_waitlist -> to = s_wachtlijst
	:: from == s_kennismaking_gepland && act == a_accept -> to = s_geaccepteerd
	:: from == s_kennismaking_gepland && act == a_decline -> to = s_afgewezen
	:: from == s_kennismaking_gepland && act == a_withdraw -> to = s_teruggetrokken
	:: from == s_kennismaking_gepland && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: from == s_kennismaking_gehouden && act == a_plan_introduction -> to = s_kennismaking_gepland
	:: from == s_kennismaking_gehouden && act == a_waitlist -> to = s_wachtlijst
	:: from == s_kennismaking_gehouden && act == a_accept -> to = s_geaccepteerd
	:: from == s_kennismaking_gehouden && act == a_decline -> to = s_afgewezen
	:: from == s_kennismaking_gehouden && act == a_withdraw -> to = s_teruggetrokken
	:: from == s_kennismaking_gehouden && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: from == s_kennismaking_gemist && act == a_plan_introduction -> to = s_kennismaking_gepland
	:: from == s_kennismaking_gemist && act == a_ask_introduction -> to = s_in_onderzoek
	:: from == s_kennismaking_gemist && act == a_decline -> to = s_afgewezen
	:: from == s_kennismaking_gemist && act == a_withdraw -> to = s_teruggetrokken
	:: from == s_kennismaking_gemist && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: from == s_wachtlijst && act == a_plan_introduction -> to = s_kennismaking_gepland
	:: from == s_wachtlijst && act == a_accept -> to = s_geaccepteerd
	:: from == s_wachtlijst && act == a_decline -> to = s_afgewezen
	:: from == s_wachtlijst && act == a_withdraw -> to = s_teruggetrokken
	:: from == s_wachtlijst && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: from == s_geaccepteerd && act == a_decline -> to = s_afgewezen
	:: from == s_geaccepteerd && act == a_ask_handover -> to = s_overdracht_gevraagd
	:: from == s_geaccepteerd && act == a_handover -> to = s_overgedragen
	:: from == s_geaccepteerd && act == a_cancel -> to = s_annulering_verzocht
	:: from == s_geaccepteerd && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: from == s_overdracht_gevraagd && act == a_decline -> to = s_afgewezen
	:: from == s_overdracht_gevraagd && act == a_handover -> to = s_overgedragen
	:: from == s_overdracht_gevraagd && act == a_cancel -> to = s_annulering_verzocht
	:: from == s_overdracht_gevraagd && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: from == s_overgedragen && act == a_decline -> to = s_afgewezen
	:: from == s_overgedragen && act == a_handover -> to = s_overgedragen
	:: from == s_overgedragen && act == a_start -> to = s_gestart
	:: from == s_overgedragen && act == a_cancel -> to = s_annulering_verzocht
	:: from == s_overgedragen && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: from == s_gestart && act == a_hold -> to = s_onderbroken
	:: from == s_gestart && act == a_end -> to = s_beeindigd
	:: from == s_gestart && act == a_cancel -> to = s_annulering_verzocht
	:: from == s_gestart && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: from == s_onderbroken && act == a_resume -> to = s_hervat
	:: from == s_onderbroken && act == a_end -> to = s_beeindigd
	:: from == s_onderbroken && act == a_cancel -> to = s_annulering_verzocht
	:: from == s_onderbroken && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: from == s_hervat && act == a_hold -> to = s_onderbroken
	:: from == s_hervat && act == a_end -> to = s_beeindigd
	:: from == s_hervat && act == a_cancel -> to = s_annulering_verzocht
	:: from == s_hervat && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: from == s_annulering_verzocht && act == a_end -> to = s_beeindigd
	:: from == s_annulering_verzocht && act == a_confirm_cancellation -> to = s_geannuleerd
	:: from == s_annulering_verzocht && act == a_entered_in_error -> to = s_foutief_ingevoerd
	:: else -> to = s_none
	fi
}

/* act and to are one of the states that the provider may commit in the state from; to is s_none if there is none */
inline own() {
	if
	:: from == s_aangemeld -> act = a_investigate; to = s_in_onderzoek
	:: from == s_aangemeld -> act = a_plan_introduction; to = s_kennismaking_gepland
	:: from == s_aangemeld -> act = a_waitlist; to = s_wachtlijst
	:: from == s_aangemeld -> act = a_accept; to = s_geaccepteerd
	:: from == s_aangemeld -> act = a_decline; to = s_afgewezen
	:: from == s_aangemeld -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_in_onderzoek -> act = a_plan_introduction; to = s_kennismaking_gepland
	:: from == s_in_onderzoek -> act = a_waitlist; to = s_wachtlijst
	:: from == s_in_onderzoek -> act = a_accept; to = s_geaccepteerd
	:: from == s_in_onderzoek -> act = a_decline; to = s_afgewezen
	:: from == s_in_onderzoek -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_kennismaking_gepland -> act = a_plan_introduction; to = s_kennismaking_gepland
	:: from == s_kennismaking_gepland -> act = a_introduction_held; to = s_kennismaking_gehouden
	:: from == s_kennismaking_gepland -> act = a_introduction_missed; to = s_kennismaking_gemist
	:: from == s_kennismaking_gepland -> act = a_waitlist; to = s_wachtlijst
	:: from == s_kennismaking_gepland -> act = a_accept; to = s_geaccepteerd
	:: from == s_kennismaking_gepland -> act = a_decline; to = s_afgewezen
	:: from == s_kennismaking_gepland -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_kennismaking_gehouden -> act = a_plan_introduction; to = s_kennismaking_gepland
	:: from == s_kennismaking_gehouden -> act = a_waitlist; to = s_wachtlijst
	:: from == s_kennismaking_gehouden -> act = a_accept; to = s_geaccepteerd
	:: from == s_kennismaking_gehouden -> act = a_decline; to = s_afgewezen
	:: from == s_kennismaking_gehouden -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_kennismaking_gemist -> act = a_plan_introduction; to = s_kennismaking_gepland
	:: from == s_kennismaking_gemist -> act = a_decline; to = s_afgewezen
	:: from == s_kennismaking_gemist -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_wachtlijst -> act = a_plan_introduction; to = s_kennismaking_gepland
	:: from == s_wachtlijst -> act = a_accept; to = s_geaccepteerd
	:: from == s_wachtlijst -> act = a_decline; to = s_afgewezen
	:: from == s_wachtlijst -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_geaccepteerd -> act = a_decline; to = s_afgewezen
	:: from == s_geaccepteerd -> act = a_ask_handover; to = s_overdracht_gevraagd
	:: from == s_geaccepteerd -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_overdracht_gevraagd -> act = a_decline; to = s_afgewezen
	:: from == s_overdracht_gevraagd -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_overgedragen -> act = a_decline; to = s_afgewezen
	:: from == s_overgedragen -> act = a_start; to = s_gestart
	:: from == s_overgedragen -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_gestart -> act = a_hold; to = s_onderbroken
	:: from == s_gestart -> act = a_end; to = s_beeindigd
	:: from == s_gestart -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_onderbroken -> act = a_resume; to = s_hervat
	:: from == s_onderbroken -> act = a_end; to = s_beeindigd
	:: from == s_onderbroken -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_hervat -> act = a_hold; to = s_onderbroken
	:: from == s_hervat -> act = a_end; to = s_beeindigd
	:: from == s_hervat -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_annulering_verzocht -> act = a_end; to = s_beeindigd
	:: from == s_annulering_verzocht -> act = a_confirm_cancellation; to = s_geannuleerd
	:: from == s_annulering_verzocht -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_none || from == s_afgewezen || from == s_beeindigd || from == s_geannuleerd || from == s_teruggetrokken || from == s_foutief_ingevoerd -> to = s_none
	fi
}

/* act and to are one of the acts that the referrer may ask for in the state from; to is s_none if there is none */
inline wish() {
	if
	:: from == s_aangemeld -> act = a_withdraw; to = s_teruggetrokken
	:: from == s_aangemeld -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_in_onderzoek -> act = a_withdraw; to = s_teruggetrokken
	:: from == s_in_onderzoek -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_kennismaking_gepland -> act = a_withdraw; to = s_teruggetrokken
	:: from == s_kennismaking_gepland -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_kennismaking_gehouden -> act = a_withdraw; to = s_teruggetrokken
	:: from == s_kennismaking_gehouden -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_kennismaking_gemist -> act = a_ask_introduction; to = s_in_onderzoek
	:: from == s_kennismaking_gemist -> act = a_withdraw; to = s_teruggetrokken
	:: from == s_kennismaking_gemist -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_wachtlijst -> act = a_withdraw; to = s_teruggetrokken
	:: from == s_wachtlijst -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_geaccepteerd -> act = a_handover; to = s_overgedragen
	:: from == s_geaccepteerd -> act = a_cancel; to = s_annulering_verzocht
	:: from == s_geaccepteerd -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_overdracht_gevraagd -> act = a_handover; to = s_overgedragen
	:: from == s_overdracht_gevraagd -> act = a_cancel; to = s_annulering_verzocht
	:: from == s_overdracht_gevraagd -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_overgedragen -> act = a_handover; to = s_overgedragen
	:: from == s_overgedragen -> act = a_cancel; to = s_annulering_verzocht
	:: from == s_overgedragen -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_gestart -> act = a_cancel; to = s_annulering_verzocht
	:: from == s_gestart -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_onderbroken -> act = a_cancel; to = s_annulering_verzocht
	:: from == s_onderbroken -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_hervat -> act = a_cancel; to = s_annulering_verzocht
	:: from == s_hervat -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_annulering_verzocht -> act = a_entered_in_error; to = s_foutief_ingevoerd
	:: from == s_none || from == s_afgewezen || from == s_beeindigd || from == s_geannuleerd || from == s_teruggetrokken || from == s_foutief_ingevoerd -> to = s_none
	fi
}
