/** Columns of nested types, documents, times of day, moments in UTC, identifiers and bytes, by domain and table. */
export const NESTED = `
retail
  orders payload:json(device=ios|android|web,coupon:word,retries:count(0..5),gift:flag) tags:list(fragile|express|bulk|gift)
  customers address:struct(street:word,city:city,floor:count(0..40)) preferences:map(theme=dark|light,contact=email|phone|post)
  products attributes:map(colour=red|blue|green,size=small|medium|large) tags:list(new|sale|eco|limited) ratings:list(1..5)
grocery
  stores opens:time closes:time
marketplace
  listings tags:list(vintage|rare|bundle|signed) shipping:struct(carrier=dhl|ups|post,days:count(1..30),fee:money(0..40))
bank
  transactions reference:uuid details:json(terminal:word,attempts:count(1..4),contactless:flag,fee:real(0..9)) settled_at:instant
insurance
  claims documents:list(photo|report|invoice|statement) incident:json(weather=dry|rain|snow,speed:count(0..160),injured:flag)
trading
  trades fees:list(0..50) routed_at:instant
crypto
  transfers raw_hash:bytes memo:map(purpose=swap|gift|fee,note:word)
invoices
  invoices line_totals:list(5..900) billing:struct(city:city,country=US|DE|FR|IN,vat_rate:real(0..0.27))
hr
  employees skills:list(python|sql|excel|go|design) contact:struct(city:city,desk:count(1..400),building=north|south|annex)
recruiting
  candidates skills:list(python|sql|excel|go|design) answers:json(years:count(0..40),remote:flag,notice=none|month|quarter)
flights
  flights departs_at:time crew_ids:list(1..900)
rail
  lines services:map(wifi=yes|no|partial,catering=cart|car|none)
taxi
  rides route:struct(zone=centre|north|airport,stops:count(0..6),toll:money(0..30))
bike_share
  trips unlocked_at:instant app:json(platform=ios|android,version:count(1..9),referrer=friend|ad|search)
ev_charging
  chargers opens:time closes:time features:list(roof|cable|display|card)
parking
  lots opens:time closes:time amenities:list(lift|toilet|wash|guard)
energy
  readings registers:list(0..900) received_at:instant
networks
  packets payload_bytes:bytes headers:map(priority=low|high,path=direct|relay)
servers
  metrics labels:map(env=prod|test|dev,zone=a|b|c) core_loads:list(0..100)
deployments
  releases config:json(strategy=rolling|canary|bluegreen,replicas:count(1..60),dry_run:flag) approvals:list(lead|ops|security)
builds
  builds steps:list(lint|test|pack|publish) env:map(runner=linux|mac|windows,cache=hit|miss)
logs
  logs context:json(user:word,status:count(200..599),cached:flag,took:real(0..9)) trace:uuid
web
  events utm:map(source=news|search|mail,medium=cpc|organic|social) seen_at:instant pages:list(home|pricing|docs|blog)
app_store
  apps languages:list(en|de|fr|ja|pt) sizes:struct(download:real(1..900),install:real(2..2000),tier=small|large)
experiments
  variants settings:json(colour=green|orange,threshold:real(0..1),rounds:count(1..20),sticky:flag)
ml
  runs params:json(optimizer=adam|sgd|lion,layers:count(1..60),dropout:real(0..0.6),amp:flag) losses:list(1..90)
gaming
  matches inventory:list(sword|shield|potion|map) profile:struct(division=bronze|silver|gold,level:count(1..99),guild:word)
drones
  sorties waypoints:list(1..200) launch_time:time
school
  students guardians:list(mother|father|aunt|uncle) home:struct(city:city,distance:real(0.1..60),bus=red|blue|none)
online_learning
  lessons topics:list(loops|joins|types|charts) player:json(speed:real(0.5..2),captions:flag,quality=low|mid|high)
police
  reports codes:list(100..999) reported_time:time
fire
  callouts alarm_time:time units:list(engine|ladder|rescue|command)
charity
  gifts receipt:uuid campaign:map(channel=mail|web|event,region=north|south)
museum
  objects materials:list(oak|bronze|clay|linen) origin:struct(country=IT|EG|GR|PE,century:count(1..20),site:word)
movies
  movies genres:list(drama|comedy|thriller|family) ratings_by:map(critics=good|mixed|poor,public=good|mixed|poor)
streaming
  plays device:struct(kind=tv|phone|tablet,volume:count(0..100),model:word) quality:json(bitrate:count(200..9000),hdr:flag,codec=av1|hevc|avc)
music
  tracks moods:list(calm|dark|happy|loud) credits:map(producer:word,writer:word)
news
  articles topics:list(economy|climate|travel|tech) published_utc:instant
forum
  posts hashtags:list(fun|food|sport|news) reactions:map(top=like|love|laugh,mood=warm|cold) meta:json(edited:flag,length:count(1..900),client=web|app)
chat
  messages mentions:list(ana|ben|chi|dev) sent_utc:instant envelope:json(kind=text|image|voice,size:count(1..9000),urgent:flag)
gym
  workouts sets:list(1..30) starts_at_time:time
hotels
  hotels amenities:list(balcony|bath|desk|safe) check_in:time view:struct(side=sea|garden|street,height:count(1..40))
restaurants
  checks dishes:list(soup|steak|salad|pasta) seated:time
recipes
  recipes stages:list(chop|boil|bake|rest) nutrition:struct(kcal:count(20..1800),protein:real(0..90),label=vegan|meat|fish)
travel
  trips itinerary:list(rome|paris|cairo|lima) insurance:json(plan=none|basic|full,premium:real(0..200),family:flag)
hospital
  patients allergies:list(nuts|latex|pollen|aspirin) contact:struct(city:city,ward=a|b|c,bed:count(1..60))
laboratory
  samples barcode:bytes results_json:json(method=pcr|elisa|culture,dilution:count(1..90),repeat:flag)
clinical_trials
  subjects visits:list(1..400) consent:map(data=yes|no,contact=yes|no)
ambulance
  dispatches alarm:time equipment:list(stretcher|oxygen|splint|pump)
fitness_trackers
  days zones:list(0..240) woke_at:time device:map(model:word,strap=metal|sport)
weather
  observations sky:list(clear|cloud|fog|rain) taken_utc:instant station_info:struct(country=NO|ES|CH,height:count(0..3500),kind=auto|manual)
air_quality
  readings pollutants:list(1..400) flags:map(valid=yes|no,source=sensor|model)
sensors
  devices config:json(interval:count(1..900),mode=eco|full,alarm:flag,offset:real(-5..5)) channels:list(1..64)
satellites
  satellites path:struct(kind=leo|geo|meo,height:count(160..36000),tilt:real(0..98)) bands:list(x|s|ka|l)
genomics
  genes synonyms:list(abc|def|ghi|jkl) locus:struct(arm=p|q,band:count(1..40))
surveys
  responses answers:json(wave=first|second,score:count(0..10),recommend:flag) choices:list(red|green|blue|none)
papers
  papers link:address keywords:list(theory|data|model|survey) outlet:map(kind=print|web,access=open|closed)
`;

export const NESTED_HELD_OUT = `
library
  books subjects:list(history|poetry|science|art) shelf:struct(floor:count(0..6),room=east|west,label:word)
farming
  fields soil:map(kind=clay|loam|sand,drain=good|poor) yields:list(1..90)
space_missions
  missions plan:json(orbit=polar|equatorial,burns:count(1..40),crew:flag) launch_utc:instant
couriers
  deliveries scans:list(depot|van|door|locker) handed_over:time tracking:uuid
`;
