/** Public life, culture and leisure, in the notation of `parse.ts`. */
export const SOCIETY = `
school
  students student_id:key name:person major=math|physics|art|law gpa:real(0..4) year:count(1..5) credits:count(0..180) enrolled:date graduated:flag
  grades grade_id:key student_id>students course_id>courses score:real(0..100) letter=A|B|C|D term=fall|spring|summer graded_at:ts
  courses course_id:key syllabus_url:address title:text department=math|physics|art|law credits:count(1..12) fee:money(100..6000) capacity:count(5..400)
online_learning
  lessons lesson_id:key track=python|sql|design minutes:count(2..120) published:date free:flag
  progress progress_id:key lesson_id>lessons learner_id>learners score:real(0..100) watched:real(0..1) finished_at:ts
  learners learner_id:key country=US|NG|IN|BR streak:count(0..900) joined:date
exams
  exams exam_id:key subject=maths|history|biology|latin max_points:count(20..200) sat_on:date
  answers answer_id:key exam_id>exams candidate:person points:real(0..200) minutes:count(1..240) appealed:flag
daycare
  children child_id:key name:person group=bees|foxes|owls birthday:date allergies:flag
  checkins checkin_id:key child_id>children arrived:ts hours:real(0.5..11) nap:flag
elections
  ballots ballot_id:key precinct_id>precincts party=red|blue|green|none method=mail|booth cast_at:ts spoiled:flag
  precincts precinct_id:key county=north|lake|hill registered:count(100..9000) urban:flag
parliament
  bills bill_id:key sponsor_id>members topic=health|budget|transport|defence pages:count(1..900) introduced:date passed:flag
  members member_id:key name:person party=left|centre|right district:word elected:date
  votes vote_id:key bill_id>bills member_id>members choice=yes|no|abstain voted_at:ts
courts
  cases case_id:key judge_id>judges kind=civil|criminal|family hearings:count(0..40) filed:date closed:date appealed:flag
  judges judge_id:key name:person seat=district|appeal|supreme appointed:date
police
  reports report_id:key precinct=1st|2nd|3rd offence=theft|fraud|assault loss:money(0..90000) reported_at:ts solved:flag
fire
  callouts callout_id:key station_id>stations kind=fire|flood|rescue crew:count(2..40) minutes:count(3..600) called_at:ts false_alarm:flag
  stations station_id:key district=old_town|docks|hills engines:count(1..12) built:date
census
  households household_id:key county=north|lake|hill persons:count(1..12) income:money(0..300000) rooms:count(1..14) owned:flag
  persons person_id:key household_id>households age:count(0..104) education=none|school|college employed:flag
migration
  permits permit_id:key origin=SY|UA|IN|BR purpose=work|study|family months:count(1..60) granted:date renewed:flag
charity
  donors donor_id:key name:person city:city since:date anonymous:flag
  gifts gift_id:key donor_id>donors cause=water|school|forest amount:money(1..20000) given_on:date recurring:flag
volunteers
  volunteers volunteer_id:key name:person skill=cook|drive|teach|build joined:date
  shifts shift_id:key volunteer_id>volunteers hours:real(0.5..12) day:date showed_up:flag
church
  services service_id:key parish=north|south|harbour attendance:count(0..900) offering:money(0..9000) held_on:date choir:flag
museum
  objects object_id:key period=bronze|roman|medieval|modern material=stone|wood|metal|glass acquired:date value:money(10..900000) on_display:flag
  visits visit_id:key ticket=adult|child|senior paid:money(0..40) entered_at:ts guided:flag
archive
  letters letter_id:key writer:person language=la|fr|de|en pages:count(1..60) written:date sealed:flag
movies
  movies movie_id:key title:text genre=drama|comedy|action|horror rating:real(0..10) votes:count(0..90000) budget:money(10000..9000000) runtime:count(40..240) released:date
  reviews review_id:key movie_id>movies critic_id>critics stars:count(1..5) written_at:ts helpful:count(0..900) spoiler:flag
  critics critic_id:key name:person paper:word
streaming
  shows show_id:key title:text genre=drama|comedy|crime|kids seasons:count(1..20) premiered:date ended:flag
  plays play_id:key show_id>shows profile=adult|child minutes:real(0.2..240) played_at:ts finished:flag
music
  tracks track_id:key album_id>albums title:text seconds:count(20..1200) tempo:real(50..220) plays:count(0..90000) explicit:flag
  albums album_id:key artist_id>artists name:word year:count(1950..2025) label:word
  artists artist_id:key name:person genre=rock|jazz|folk|techno
concerts
  gigs gig_id:key venue_id>venues band:word sold:count(0..20000) ticket_price:money(5..300) starts_at:ts cancelled:flag
  venues venue_id:key website:address city:city capacity:count(40..60000) outdoor:flag
podcasts
  episodes episode_id:key audio_url:address show:word minutes:real(2..240) downloads:count(0..90000) aired:date sponsored:flag
radio
  broadcasts broadcast_id:key station=one|two|classic slot=morning|day|night listeners:count(100..90000) aired_at:ts live:flag
books
  editions edition_id:key author_id>authors format=paper|hard|ebook|audio pages:count(20..1400) price:money(1..90) published:date in_print:flag
  authors author_id:key name:person born:count(1850..2005) nationality=US|FR|NG|JP
news
  articles article_id:key article_url:address desk=politics|sport|culture|science words:count(80..6000) shares:count(0..90000) published_at:ts paywalled:flag
  comments comment_id:key article_id>articles user:text likes:count(0..3000) posted_at:ts hidden:flag
forum
  posts post_id:key link:address author_id>users board=help|news|off_topic score:count(-50..900) posted_at:ts locked:flag
  users user_id:key nick:word reputation:count(0..90000) joined:date
  replies reply_id:key post_id>posts author_id>users length:count(1..4000) replied_at:ts accepted:flag
social
  people person_id:key name:person city:city joined:date private:flag
  follows follow_id:key follower_id>people followed_id>people since:ts muted:flag
chat
  messages message_id:key channel_id>channels sender:person length:count(1..4000) reactions:count(0..200) sent_at:ts edited:flag
  channels channel_id:key name:word kind=public|private|direct created:date
dating
  profiles profile_id:key age:count(18..80) city:city photos:count(0..20) joined:date premium:flag
  likes like_id:key from_profile>profiles to_profile>profiles liked_at:ts matched:flag
football
  matches match_id:key home_id>teams away_id>teams goals_home:count(0..9) goals_away:count(0..9) attendance:count(100..90000) played_on:date
  teams team_id:key name:word league=first|second|third founded:count(1870..2020)
  players player_id:key team_id>teams name:person position=keeper|defender|midfield|forward height:real(1.5..2.1) value:money(10000..9000000)
basketball
  games game_id:key season=2022|2023|2024 points:count(40..170) rebounds:count(10..80) overtime:flag played_on:date
tennis
  sets set_id:key round=final|semi|quarter surface=clay|grass|hard games:count(6..13) minutes:count(15..120) tiebreak:flag
cycling
  stages stage_id:key terrain=flat|hills|mountain km:real(4..260) climb:count(0..5500) day:date
  results result_id:key stage_id>stages rider:person seconds:count(600..30000) place:count(1..180) doped:flag
running
  runs run_id:key runner_id>runners km:real(0.5..60) pace:real(2.8..9) heart_rate:count(80..200) started_at:ts race:flag
  runners runner_id:key name:person club=city|lake|none born:count(1940..2012)
chess
  games game_id:key white_id>players black_id>players opening=sicilian|french|london moves:count(5..200) played_at:ts rated:flag
  players player_id:key name:person elo:count(400..2860) title=none|IM|GM
swimming
  lanes lane_id:key stroke=free|back|breast|fly seconds:real(20..1200) swum_on:date disqualified:flag
gym
  members member_id:key plan=day|month|year joined:date weight:real(40..160)
  workouts workout_id:key member_id>members kind=yoga|lift|spin|box calories:count(40..1500) began_at:ts coached:flag
hotels
  bookings booking_id:key hotel_id>hotels guest:person nights:count(1..30) rate:money(30..900) booked_on:date checked_in:flag
  hotels hotel_id:key website:address city:city stars:count(1..5) rooms:count(4..900) pool:flag
restaurants
  checks check_id:key table_no:count(1..60) waiter_id>waiters guests:count(1..14) total:money(6..900) tip:money(0..200) closed_at:ts takeaway:flag
  waiters waiter_id:key name:person section=bar|hall|terrace hired:date
recipes
  recipes recipe_id:key source_url:address cuisine=thai|italian|mexican|indian minutes:count(5..600) servings:count(1..20) calories:real(40..2000) added:date vegan:flag
  ingredients ingredient_id:key recipe_id>recipes name:word grams:real(1..2000) optional:flag
travel
  trips trip_id:key traveller:person country=IT|JP|PE|KE days:count(1..60) cost:money(80..20000) left_on:date insured:flag
cruises
  cabins cabin_id:key deck=A|B|C|D berths:count(1..6) price:money(200..9000) window:flag
  sailings sailing_id:key ship:word nights:count(2..40) passengers:count(50..6000) departs:date
theatre
  seats seat_id:key row_letter=A|B|C|D price:money(8..250) restricted:flag
  performances performance_id:key play:word sold:count(0..1500) staged_at:ts matinee:flag
lottery
  draws draw_id:key jackpot:money(100000..9000000) tickets:count(900..90000) drawn_on:date rolled_over:flag
festivals
  stages stage_id:key name=main|tent|river capacity:count(100..60000) covered:flag
  acts act_id:key stage_id>stages artist:word minutes:count(15..180) fee:money(0..300000) on_at:ts
`;
