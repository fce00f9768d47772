/** Medicine, science and the land, in the notation of `parse.ts`. */
export const NATURE = `
hospital
  patients patient_id:key name:person gender=F|M blood_type=A|B|AB|O weight:real(2..180) birth_date:date insured:flag
  visits visit_id:key patient_id>patients doctor_id>doctors ward=surgery|cardiology|pediatrics cost:money(40..60000) nights:count(0..60) admitted_at:ts emergency:flag
  doctors doctor_id:key name:person specialty=heart|bone|eye|skin licensed:date
pharmacy
  prescriptions rx_id:key drug_id>drugs patient:person dose_mg:real(0.5..1000) refills:count(0..12) filled_on:date generic:flag
  drugs drug_id:key name:word class=antibiotic|statin|opioid|vaccine price:money(0.5..4000) approved:date
laboratory
  samples sample_id:key kind=blood|urine|swab drawn_at:ts volume_ml:real(0.5..50) hemolysed:flag
  results result_id:key sample_id>samples analyte=glucose|sodium|iron value:real(0..400) reported_at:ts abnormal:flag
dental
  appointments appointment_id:key dentist:person tooth:count(11..48) procedure=filling|crown|cleaning price:money(30..2500) starts_at:ts no_show:flag
vaccination
  doses dose_id:key brand=alpha|beta|gamma number:count(1..5) age:count(0..104) given_on:date reaction:flag
clinical_trials
  subjects subject_id:key arm=placebo|low|high age:count(18..90) bmi:real(14..50) enrolled:date dropped_out:flag
  measurements measurement_id:key subject_id>subjects week:count(0..104) systolic:count(80..220) diastolic:count(40..130) taken_on:date
nursing
  shifts shift_id:key nurse:person unit=icu|er|ward hours:real(4..13) day:date overtime:flag
ambulance
  dispatches dispatch_id:key crew=a|b|c priority:count(1..4) km:real(0.2..120) minutes:real(1..180) called_at:ts airlift:flag
mental_health
  sessions session_id:key therapist:person method=talk|group|art mood:count(1..10) held_on:date remote:flag
sleep
  nights night_id:key sleeper:person hours:real(0..14) wakeups:count(0..30) slept_on:date snored:flag
fitness_trackers
  days day_id:key wearer:person steps:count(0..40000) calories:real(900..6000) resting_pulse:count(38..110) day:date charged:flag
veterinary
  animals animal_id:key species=dog|cat|horse|rabbit weight:real(0.2..700) born:date neutered:flag
  treatments treatment_id:key animal_id>animals kind=vaccine|surgery|dental cost:money(15..6000) treated_on:date follow_up:flag
shelter
  pets pet_id:key species=dog|cat|bird age_months:count(1..200) arrived:date adopted:flag
zoo
  enclosures enclosure_id:key biome=savanna|jungle|arctic|reef area:real(10..40000) built:date
  feedings feeding_id:key enclosure_id>enclosures food=meat|hay|fish|fruit kg:real(0.1..300) fed_at:ts refused:flag
birds
  sightings sighting_id:key species=robin|heron|kestrel|wren flock:count(1..5000) observer:person seen_at:ts nesting:flag site_id>sites
  sites site_id:key habitat=marsh|wood|coast|field hectares:real(1..9000) protected:flag
fishing
  catches catch_id:key boat_id>boats species=cod|tuna|herring|squid kg:real(1..9000) depth_m:real(2..900) landed_at:ts discarded:flag
  boats boat_id:key name:word gear=trawl|line|net tonnage:real(2..4000) built:date
forestry
  stands stand_id:key species=oak|pine|spruce|birch hectares:real(0.5..900) age:count(1..300) surveyed:date burnt:flag
  harvests harvest_id:key stand_id>stands cubic_metres:real(1..9000) price:money(20..140) felled_on:date
dairy
  cows cow_id:key breed=holstein|jersey|angus weight:real(150..900) born:date pregnant:flag
  milkings milking_id:key cow_id>cows litres:real(0..40) fat:real(2..7) milked_at:ts
vineyard
  parcels parcel_id:key grape=merlot|riesling|syrah hectares:real(0.1..60) planted:date organic:flag
  vintages vintage_id:key parcel_id>parcels year:count(1990..2025) bottles:count(100..90000) sugar:real(14..30)
brewery
  batches batch_id:key style=lager|stout|ipa|wheat litres:real(10..40000) abv:real(0..12) bitterness:count(5..120) brewed_on:date dumped:flag
coffee
  roasts roast_id:key origin=ethiopia|brazil|kenya|peru level=light|medium|dark kg:real(1..300) minutes:real(6..22) roasted_at:ts
beekeeping
  hives hive_id:key apiary=meadow|roof|orchard frames:count(4..40) queen_born:date lost:flag
  inspections inspection_id:key hive_id>hives honey_kg:real(0..60) mites:count(0..400) seen_on:date
greenhouse
  beds bed_id:key plant=tomato|pepper|basil|lettuce area:real(0.5..400) sown:date heated:flag
  waterings watering_id:key bed_id>beds litres:real(0.2..900) watered_at:ts automatic:flag
soil
  cores core_id:key texture=clay|sand|loam ph:real(3.5..9) nitrogen:real(0..90) depth_cm:count(5..200) taken_on:date
weather
  observations observation_id:key station_id>stations temperature:real(-40..48) rain_mm:real(0..180) wind:real(0..60) observed_at:ts thunder:flag
  stations station_id:key name:word country=NO|ES|CH|IS elevation:count(0..3500) automatic:flag
air_quality
  readings reading_id:key sensor_id>sensors pm25:real(0..400) ozone:real(0..200) read_at:ts valid:flag
  sensors sensor_id:key street:word zone=centre|suburb|industry installed:date
sensors
  devices device_id:key model:word site=roof|lab|hall firmware:word installed:date cost:money(5..900)
  signals signal_id:key device_id>devices value:real(-50..150) unit=C|F|K battery:count(0..100) taken_at:ts valid:flag
earthquakes
  quakes quake_id:key region=pacific|andes|aegean magnitude:real(0.5..9.2) depth_km:real(0..700) struck_at:ts tsunami:flag
volcanoes
  volcanoes volcano_id:key name:word kind=shield|cone|caldera height:count(100..6900) last_eruption:date active:flag
oceans
  buoys buoy_id:key basin=atlantic|pacific|indian depth_m:count(10..6000) deployed:date
  waves wave_id:key buoy_id>buoys height:real(0..20) period_s:real(2..25) salinity:real(30..40) measured_at:ts
glaciers
  cores core_id:key glacier=north|aletsch|ross depth:real(1..3000) age:count(10..90000) drilled:date cracked:flag
rivers
  gauges gauge_id:key river=rhine|nile|ganges datum:real(0..900) opened:date
  levels level_id:key gauge_id>gauges metres:real(0..14) discharge:real(1..20000) read_at:ts flood:flag
astronomy
  stars star_id:key constellation=orion|lyra|cygnus magnitude:real(-1.5..20) parallax:real(0.1..770) variable:flag
  planets planet_id:key star_id>stars mass:real(0.01..13) period_days:real(0.3..90000) found_on:date
satellites
  satellites norad_id:key orbit=leo|meo|geo mass_kg:real(1..9000) launched:date retired:flag
  passes pass_id:key norad_id>satellites elevation:real(0..90) seconds:count(20..1200) rises_at:ts
telescope
  exposures exposure_id:key filter=u|g|r|i seconds:real(0.1..3600) seeing:real(0.4..4) taken_at:ts rejected:flag
particle_physics
  collisions collision_id:key detector=north|south energy:real(0.5..14) tracks:count(0..900) recorded_at:ts triggered:flag
chemistry
  reactions reaction_id:key solvent=water|ethanol|toluene temperature:real(-80..300) yield:real(0..1) run_on:date failed:flag
  reagents reagent_id:key reaction_id>reactions name:word grams:real(0.001..900) purity:real(0.5..1)
materials
  specimens specimen_id:key alloy=steel|brass|titanium length_mm:real(5..400) cast_on:date
  tests test_id:key specimen_id>specimens stress:real(1..2000) strain:real(0..0.6) tested_at:ts fractured:flag
genomics
  variants variant_id:key chromosome=1|2|X|Y position:count(1..900000) quality:real(0..100) impact=low|moderate|high filtered:flag
  genes gene_id:key symbol:word strand=plus|minus length:count(200..90000)
proteins
  proteins protein_id:key organism=human|mouse|yeast residues:count(20..9000) mass:real(2..900) solved:date membrane:flag
ecology
  plots plot_id:key habitat=dune|heath|bog slope:real(0..60) surveyed:date
  counts count_id:key plot_id>plots species:word individuals:count(0..900) cover:real(0..100) invasive:flag
fossils
  fossils fossil_id:key era=jurassic|triassic|cambrian length_cm:real(0.1..1500) found_on:date complete:flag
archaeology
  finds find_id:key trench=A|B|C material=clay|bone|iron|coin weight:real(0.1..9000) dug_on:date catalogued:flag
maps
  tiles tile_id:key zoom:count(0..22) layer=road|relief|satellite kilobytes:real(0.5..900) rendered_at:ts stale:flag
surveying
  points point_id:key easting:real(0..900000) northing:real(0..900000) height:real(-50..4800) surveyor:person shot_at:ts
psychology
  trials trial_id:key participant_id>participants condition=congruent|neutral|conflict reaction_ms:real(120..4000) correct:flag ran_at:ts
  participants participant_id:key age:count(18..90) handedness=left|right|both recruited:date
surveys
  responses response_id:key wave=2022|2023|2024 satisfaction:count(1..10) minutes:real(0.5..60) answered_at:ts complete:flag
linguistics
  tokens token_id:key language=fi|sw|tr part=noun|verb|adjective frequency:count(1..90000) irregular:flag
papers
  papers paper_id:key venue=journal|workshop|preprint citations:count(0..9000) pages:count(2..80) submitted:date retracted:flag
  authorships authorship_id:key paper_id>papers author:person position:count(1..40) corresponding:flag
grants
  grants grant_id:key agency=national|regional|private amount:money(1000..3000000) starts:date ends:date renewed:flag
patents
  patents patent_id:key office=EP|US|JP claims:count(1..90) filed:date granted:date lapsed:flag
  citations citation_id:key citing_id>patents cited_id>patents examiner:flag
reserved_words
  group group_id:key order:count(1..90) select=a|b|c class=first|second|third from:date end:date limit:real(0..100) default:flag
  values value_id:key group_id>group table:word index:count(0..900) case=upper|lower|title when:ts
`;
/** No row of the other splits has one of these tables. */
export const HELD_OUT = `
library
  books book_id:key author:person subject=history|poetry|science pages:count(20..1400) copies:count(0..40) rating:real(1..5) published:date lent:flag
  borrowings borrowing_id:key book_id>books reader_id>readers due_date:date fine:money(0..60) days_late:count(0..200) brought_back:flag
  readers reader_id:key name:person branch=central|west|mobile card_since:date
farming
  fields field_id:key crop=wheat|corn|barley hectares:real(0.5..400) yield_tons:real(0..4000) moisture:real(5..40) planted:date irrigated:flag
  crops harvest_no:key field_id>fields tons:real(0.2..3000) price:money(80..400) crew:count(1..30) harvested_at:ts grade=A|B|C
space_missions
  missions mission_id:key agency=esa|nasa|jaxa target=moon|mars|venus cost:money(1000000..90000000) launched:date crewed:flag
  maneuvers maneuver_id:key mission_id>missions delta_v:real(0.1..4000) burn_s:real(0.1..900) fired_at:ts aborted:flag
bakery
  loaves loaf_id:key flour=rye|spelt|white grams:count(80..3000) baked_at:ts burnt:flag price:money(0.5..12) oven_id>ovens
  ovens oven_id:key maker:word kilowatts:real(1..60) racks:count(1..12) bought:date
couriers
  deliveries delivery_no:key depot_id>depots service=economy|express|overnight grams:count(20..40000) postage:money(1..160) handed_in:ts signed:flag
  depots depot_id:key city:city docks:count(1..90) area=north|south|east|west
dance
  classes class_no:key style=tango|salsa|ballet dancers:count(2..60) fee:money(4..90) held_at:ts beginners:flag
`;
