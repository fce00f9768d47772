/** Transport, energy, production and computing, in the notation of `parse.ts`. */
export const INDUSTRY = `
flights
  flights flight_id:key carrier=AA|DL|UA|LH origin_id>airports dest_id>airports delay:count(-20..300) distance:real(80..9000) air_time:count(20..900) departed_at:ts cancelled:flag fare:money(29..2400)
  airports airport_id:key code:word city:city country=US|DE|FR|IN latitude:real(-60..70) elevation:count(0..3000)
rail
  departures departure_id:key line_id>lines platform:count(1..24) scheduled:ts minutes_late:count(0..180) passengers:count(0..900) cancelled:flag
  lines line_id:key name:word operator=north|coastal|metro|express length_km:real(4..900) electrified:flag
taxi
  rides ride_id:key driver_id>drivers pickup_zone=A|B|C|D dropoff_zone=A|B|C|D distance:real(0.3..60) fare:money(3..220) tip:money(0..60) picked_up_at:ts shared:flag
  drivers driver_id:key name:person rating:real(1..5) licensed:date electric:flag
bike_share
  trips trip_id:key start_station>stations end_station>stations bike=classic|electric minutes:count(1..240) started_at:ts member:flag
  stations station_id:key name:word docks:count(6..60) district=centre|harbour|hills opened:date
shipping
  shipments shipment_id:key carrier=ups|dhl|fedex weight:real(0.1..900) volume:real(0.01..12) cost:money(3..4000) sent_on:date arrived_at:ts late:flag warehouse_id>warehouses
  warehouses warehouse_id:key city:city state=CA|TX|NY|WA capacity:count(100..90000) rent:money(900..90000) opened:date automated:flag
ports
  vessels imo:key name:word flag=PA|LR|MT|SG deadweight:count(900..400000) built:date
  calls call_id:key imo>vessels berth=N1|N2|S1|S2 arrived:ts hours_alongside:real(2..200) containers:count(0..9000)
trucking
  loads load_id:key truck_id>trucks miles:real(5..3000) pounds:count(100..80000) rate_per_mile:money(0.8..6) delivered_on:date hazmat:flag
  trucks truck_id:key make=volvo|scania|mack|daf year:count(2005..2025) odometer:count(0..900000)
parking
  sessions session_id:key lot_id>lots plate:text entered:ts minutes:count(1..2880) charged:money(0..60) permit:flag
  lots lot_id:key name:word spaces:count(10..3000) covered:flag hourly:money(0.5..9)
fleet
  vehicles vin:key model=van|truck|sedan fuel=diesel|petrol|electric mileage:count(0..400000) bought:date leased:flag
  refuels refuel_id:key vin>vehicles litres:real(2..300) cost:money(4..600) filled_at:ts
ev_charging
  chargers charger_id:key connector=ccs|chademo|type2 kilowatts:count(7..350) site=mall|highway|depot installed:date
  charges charge_id:key charger_id>chargers kwh:real(0.5..120) price:money(0.5..90) plugged_in_at:ts interrupted:flag
energy
  meters meter_id:key zone=A|B|C|D voltage:real(210..250) smart:flag installed:date
  readings reading_id:key meter_id>meters kwh:real(0..90) peak:real(0..20) read_at:ts estimated:flag
power_plants
  plants plant_id:key fuel=gas|coal|wind|solar capacity:count(5..4000) operator:word built:date online:flag
  outages outage_id:key plant_id>plants cause=repair|storm|fuel hours:real(0.5..900) lost_mwh:real(1..90000) began:ts
solar
  arrays array_id:key panels:count(4..9000) tilt:real(0..60) roof=flat|pitched|ground installed:date
  yields yield_id:key array_id>arrays kwh:real(0..4000) irradiance:real(0..1100) day:date snow:flag
wind
  turbines turbine_id:key park=north|ridge|offshore rotor_m:count(40..240) rated_kw:count(500..15000) built:date
  gusts gust_id:key turbine_id>turbines speed:real(0..45) direction:count(0..359) measured_at:ts curtailed:flag
oil
  wells well_id:key field=alpha|bravo|delta depth_m:count(300..7000) spudded:date plugged:flag
  output output_id:key well_id>wells barrels:real(0..9000) water_cut:real(0..1) day:date
water
  pumps pump_id:key station=east|west|lake flow:real(0..900) pressure:real(0.5..16) serviced:date running:flag
  leaks leak_id:key pump_id>pumps litres_lost:count(10..90000) found_at:ts severity=low|medium|high fixed:flag
mining
  drillholes hole_id:key prospect=iron|copper|gold depth:real(5..1500) azimuth:count(0..359) drilled:date
  assays assay_id:key hole_id>drillholes grade:real(0..90) density:real(1.5..6) lab=A|B|C
manufacturing
  work_orders order_no:key machine_id>machines part:word planned:count(10..9000) made:count(0..9000) scrap:count(0..400) started_at:ts finished:flag
  machines machine_id:key kind=lathe|mill|press|robot hall=1|2|3 bought:date power_kw:real(1..200)
quality
  inspections inspection_id:key line=A|B|C defect=none|scratch|dent|crack width_mm:real(4..90) inspector:person checked_at:ts passed:flag
maintenance
  assets asset_id:key type=pump|motor|valve|boiler location=roof|basement|yard criticality:count(1..5) commissioned:date
  jobs job_id:key asset_id>assets technician:person hours:real(0.5..40) parts_cost:money(0..6000) closed_on:date emergency:flag
semiconductors
  wafers wafer_id:key fab=F1|F2|F3 diameter:count(100..300) yield:real(0..1) layers:count(4..90) completed:date scrapped:flag
  dies die_id:key wafer_id>wafers bin=1|2|3|fail leakage:real(0..9) clock:real(0.5..6)
automotive
  cars car_id:key body=suv|sedan|coupe|wagon horsepower:count(45..900) price:money(9000..240000) assembled:date recalled:flag
  dealers dealer_id:key name:word region=north|south|east|west
  car_sales sale_id:key car_id>cars dealer_id>dealers paid:money(8000..230000) sold_on:date financed:flag
construction
  sites site_id:key type=house|tower|bridge|road budget:money(90000..9000000) floors:count(0..80) begun:date
  permits permit_id:key site_id>sites kind=electric|plumbing|structure fee:money(50..9000) issued:date expired:flag
real_estate
  properties property_id:key listing_url:address kind=flat|house|studio bedrooms:count(0..8) area:real(18..600) price:money(40000..3000000) built_year:count(1850..2025) city:city listed:date garden:flag
  viewings viewing_id:key property_id>properties agent:person seen_at:ts offer:money(0..2900000)
rentals
  leases lease_id:key unit_id>units tenant:person rent:money(250..6000) deposit:money(0..12000) starts:date ends:date pets:flag
  units unit_id:key building=A|B|C floor:count(0..40) rooms:count(1..7) furnished:flag
elevators
  elevators elevator_id:key floors:count(2..90) speed:real(0.5..12) maker=otis|kone|schindler inspected:date
  stops stop_id:key elevator_id>elevators from_floor:count(0..90) to_floor:count(0..90) load_kg:count(0..2000) stopped_at:ts
telecom
  calls call_id:key caller_id>lines callee_id>lines seconds:count(1..7200) cell=C1|C2|C3 started_at:ts dropped:flag roaming:flag
  lines line_id:key owner:person tariff=prepaid|flat|business activated:date data_gb:real(0..200)
networks
  packets packet_id:key src_host>hosts dst_host>hosts protocol=tcp|udp|icmp bytes:count(40..9000) seen_at:ts blocked:flag
  hosts host_id:key hostname:word os=linux|windows|macos memory_gb:count(1..1024)
servers
  servers server_id:key hostname:word region=eu|us|ap cores:count(1..256) memory_gb:count(1..2048) booted_at:ts healthy:flag
  metrics metric_id:key server_id>servers cpu:real(0..100) disk:real(0..100) load:real(0..64) sampled_at:ts
deployments
  releases release_id:key service=api|web|auth|search version:word author:person deployed_at:ts rolled_back:flag minutes:count(1..240)
  incidents incident_id:key release_id>releases severity=sev1|sev2|sev3 users_hit:count(0..90000) began_at:ts ended_at:ts
builds
  builds build_id:key branch=main|dev|release seconds:real(4..7200) tests:count(0..9000) failures:count(0..300) queued_at:ts green:flag
logs
  logs log_id:key request_url:address level=debug|info|warn|error service=api|web|auth latency_ms:real(0.2..9000) code:count(100..599) logged_at:ts cached:flag
source_code
  commits commit_id:key repo_id>repos author:person additions:count(0..9000) deletions:count(0..9000) committed_at:ts merge:flag
  repos repo_id:key clone_url:address name:word language=python|rust|go|java stars:count(0..90000) archived:flag
  pulls pull_id:key repo_id>repos comments:count(0..200) state=open|merged|closed opened_at:ts draft:flag
app_store
  apps app_id:key store_url:address name:word genre=games|tools|music|health price:money(0..40) rating:real(1..5) released:date
  installs install_id:key app_id>apps country=US|IN|BR|DE platform=ios|android installed_at:ts refunded:flag
web
  events event_id:key referrer:address user_id>users event_type=click|view|login|purchase page:word duration:real(0..1800) created_at:ts device=mobile|desktop|tablet is_bot:flag
  users user_id:key username:text plan=free|pro|team country=US|DE|FR|IN joined:date karma:count(0..9000) verified:flag
experiments
  variants variant_id:key experiment=checkout|search|banner name=control|a|b traffic:real(0..1) launched:date
  exposures exposure_id:key variant_id>variants visitor:text exposed_at:ts converted:flag revenue:money(0..400)
ml
  runs run_id:key model=linear|forest|network learning_rate:real(0.00001..1) epochs:count(1..500) loss:real(0..9) accuracy:real(0..1) started_at:ts failed:flag
  features feature_id:key run_id>runs name:word importance:real(0..1) missing:real(0..1)
gaming
  players player_id:key nickname:word rank=bronze|silver|gold|master level:count(1..100) joined:date banned:flag
  matches match_id:key winner_id>players loser_id>players map=forest|desert|castle minutes:real(2..90) played_at:ts ranked:flag
drones
  sorties sortie_id:key pilot:person battery:real(0..100) altitude:real(0..500) purpose=survey|film|rescue flown_at:ts crashed:flag
warehouse_robots
  robots robot_id:key model=picker|lifter|sorter battery:real(0..100) commissioned:date
  picks pick_id:key robot_id>robots aisle=A|B|C|D seconds:real(2..400) picked_at:ts missed:flag
printing
  jobs job_id:key printer=laser|inkjet|plotter pages:count(1..900) colour:flag owner:person printed_at:ts cost:money(0.02..90)
recycling
  bins bin_id:key material=glass|paper|plastic|metal litres:count(60..3000) street:word emptied:ts
  pickups pickup_id:key bin_id>bins kg:real(0.5..900) contaminated:flag day:date
`;
